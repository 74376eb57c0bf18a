// SPDX-License-Identifier: Apache-2.0
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { PrincipalName } from '@bureau/core';
import { ensureDirectory } from '@bureau/files';
import { HOME, USER } from './layout.ts';

/** Whom the generated files speak of. */
export interface RootFilesInput {
  readonly uid: number;
  readonly gid: number;
  readonly hostname: string;
}

/** Longest host name that we give; the kernel takes 64. */
const HOSTNAME_MAX = 63;

/** The host name inside the sandbox of `principal`: `iree/amdgpu/pm` → `iree-amdgpu-pm`. Only for people to read; not unique. */
export function hostnameOf(principal: PrincipalName): string {
  const name = principal
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, HOSTNAME_MAX)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'agent' : name;
}

/** What each generated file holds, by its name; `empty` is laid over what a payload must not read. Pure. */
export function rootFiles({ uid, gid, hostname }: RootFilesInput): ReadonlyMap<string, string> {
  return new Map([
    [
      'passwd',
      `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n${USER}:x:${uid}:${gid}:${USER}:${HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    ],
    ['group', `root:x:0:\n${USER}:x:${gid}:\nnogroup:x:65534:\n`],
    ['hosts', `127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 ${hostname}\n`],
    ['hostname', `${hostname}\n`],
    ['nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n'],
    ['resolv.conf', ''],
    ['host.conf', 'multi on\n'],
    ['empty', ''],
  ]);
}

/**
 * Writes them into `directory`, which is made if needed: all of it root's, readable by everyone, writable by nobody else. Files that
 * already say the same stay as they are. Not forced to disk: every start of a sandbox calls this, and sees to what a crash left.
 */
export function writeRootFiles(directory: string, input: RootFilesInput): void {
  ensureDirectory(directory, { mode: 0o755, uid: 0, gid: 0 });
  for (const [name, text] of rootFiles(input)) {
    const path = `${directory}/${name}`;
    if (readIfThere(path) === text) continue;
    writeFileSync(`${path}.new`, text, { mode: 0o644 });
    chmodSync(`${path}.new`, 0o644);
    renameSync(`${path}.new`, path);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
