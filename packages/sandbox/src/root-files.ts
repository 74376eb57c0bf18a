// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import type { PrincipalName } from '@bureau/core';
import { ensureDirectory } from '@bureau/files';
import { HOME, HOST_ETC, HOST_ETC_MOUNT, USER } from './layout.ts';
import type { MountPoint } from './mount-plan.ts';

/** Whom the generated files speak of. */
export interface RootFilesInput {
  readonly uid: number;
  readonly gid: number;
  readonly hostname: string;
  /** The copy of the host's files (`HostEtc`); links lead to what is in it. */
  readonly hostEtcDirectory: string;
  /** What a spec mounts; those below `/etc` need a place there, since `/etc` itself is read-only. */
  readonly mountPoints?: readonly MountPoint[];
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

/** What each generated file of `/etc` holds, by its name. Pure. */
export function rootFiles({ uid, gid, hostname }: Pick<RootFilesInput, 'uid' | 'gid' | 'hostname'>): ReadonlyMap<string, string> {
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
  ]);
}

/**
 * Makes `directory` with `etc` (the whole `/etc` of one sandbox: generated files, links to the host's, places to mount on) and `empty`
 * (laid over what a payload must not read): all of it root's, readable by everyone, writable by nobody else. What already says the same
 * stays as it is. Not forced to disk: every start of a sandbox calls this, and sees to what a crash left.
 */
export function writeRootFiles(directory: string, input: RootFilesInput): void {
  const etc = `${directory}/etc`;
  for (const path of [directory, etc, `${directory}${HOST_ETC_MOUNT}`]) ensureDirectory(path, { mode: 0o755, uid: 0, gid: 0 });
  writeSame(`${directory}/empty`, '');
  for (const [name, text] of rootFiles(input)) writeSame(`${etc}/${name}`, text);
  for (const [name, target] of links(input.hostEtcDirectory)) linkSame(`${etc}/${name}`, target);
  for (const point of input.mountPoints ?? []) if (point.path.startsWith('/etc/')) makeMountPoint(directory, point);
}

function links(hostEtcDirectory: string): [string, string][] {
  const copied = HOST_ETC.filter((name) => existsSync(`${hostEtcDirectory}/${name}`)).map((name): [string, string] => [
    name,
    relative(dirname(`/etc/${name}`), `${HOST_ETC_MOUNT}/${name}`),
  ]);
  return [...copied, ['mtab', '/proc/self/mounts'], ['os-release', '../usr/lib/os-release']];
}

function writeSame(path: string, text: string): void {
  if (readIfThere(path) === text) return;
  writeFileSync(`${path}.new`, text, { mode: 0o644 });
  chmodSync(`${path}.new`, 0o644);
  renameSync(`${path}.new`, path);
}

function linkSame(path: string, target: string): void {
  ensureDirectory(dirname(path), { mode: 0o755, uid: 0, gid: 0 });
  try {
    if (readlinkSync(path) === target) return;
  } catch {
    // Not there, or no link.
  }
  rmSync(path, { recursive: true, force: true });
  symlinkSync(target, path);
}

function makeMountPoint(directory: string, { path, directory: wantsDirectory }: MountPoint): void {
  const segments = path.split('/').slice(1);
  const parents = wantsDirectory ? segments : segments.slice(0, -1);
  parents.reduce((above, name) => {
    const place = `${above}/${name}`;
    ensureDirectory(place, { mode: 0o755, uid: 0, gid: 0 });
    return place;
  }, directory);
  if (!wantsDirectory) writeSame(`${directory}${path}`, '');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
