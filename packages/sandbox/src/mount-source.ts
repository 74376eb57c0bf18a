// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { openatNoSymlinks } from '@bureau/native';
import type { SandboxSpec } from '@bureau/protocol';

/** `O_PATH`: names a file without opening it (no side effect on devices and pipes). Node has no constant for it. */
const O_PATH = 0o10000000;

/** What a mount source is, looked at without following any link. */
export interface MountSource {
  readonly path: string;
  readonly kind: 'directory' | 'file';
}

/**
 * Looks at `path`, refusing a symlink in any part of it, and everything but directories and regular files (a socket such as
 * docker's is a door, a device is hardware). `undefined` when nothing is there. Throws `mount_refused`.
 */
export function resolveMountSource(path: string): MountSource | undefined {
  let descriptor: number;
  try {
    descriptor = openatNoSymlinks(path, { flags: O_PATH });
  } catch (error) {
    const errno = error instanceof BureauError ? error.data['errno'] : undefined;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    if (errno === 'ELOOP') refuse(path, 'a part of it is a symbolic link; name the real place');
    throw new BureauError('mount_refused', `Cannot bind ${JSON.stringify(path)}: it cannot be opened`, {
      data: { source: path },
      cause: error,
    });
  }
  try {
    const found = fstatSync(descriptor);
    if (found.isDirectory()) return { path, kind: 'directory' };
    if (found.isFile()) return { path, kind: 'file' };
    return refuse(path, 'expected a directory or a regular file, found a socket, device or pipe');
  } finally {
    closeSync(descriptor);
  }
}

/** Checks the sources of all binds of a spec. Throws `mount_refused`, also for one that is missing and not `optional`. */
export function resolveMountSources(spec: Pick<SandboxSpec, 'mounts'>): void {
  for (const mount of spec.mounts) {
    if (mount.type !== 'bind') continue;
    if (resolveMountSource(mount.source) === undefined && !mount.optional) refuse(mount.source, 'there is no such file or directory');
  }
}

function refuse(path: string, reason: string): never {
  throw new BureauError('mount_refused', `Cannot bind ${JSON.stringify(path)}: ${reason}`, { data: { source: path } });
}
