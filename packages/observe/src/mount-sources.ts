// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { openatNoSymlinks } from '@bureau/native';
import type { MountSource } from '@bureau/protocol';

/** `O_PATH`: names a file without opening it. Node has no constant for it. */
const O_PATH = 0o10000000;

/**
 * Opens what the launcher judged, for bubblewrap's `--bind-fd`, without following links; the caller closes the descriptors. Throws
 * `mount_source_changed` when one is not what the launcher holds (it was swapped meanwhile), or cannot be reached with the payload's uid.
 */
export function openMountSources(sources: readonly MountSource[]): number[] {
  const opened: number[] = [];
  try {
    for (const source of sources) opened.push(openSource(source));
    return opened;
  } catch (error) {
    opened.forEach((descriptor) => closeSync(descriptor));
    throw error;
  }
}

function openSource({ path, identity }: MountSource): number {
  let descriptor: number;
  try {
    descriptor = openatNoSymlinks(path, { flags: O_PATH });
  } catch (error) {
    const errno = error instanceof BureauError ? String(error.data['errno']) : 'unknown';
    const reason = errno === 'EACCES' ? 'the payload’s user may not pass through a directory above it' : errno;
    throw new BureauError('mount_source_changed', `Cannot mount ${JSON.stringify(path)}, which the launcher admitted: ${reason}`, {
      data: { path, errno },
      cause: error,
    });
  }
  const found = fstatSync(descriptor, { bigint: true });
  if (`${found.dev}:${found.ino}` === identity) return descriptor;
  closeSync(descriptor);
  throw new BureauError('mount_source_changed', `Cannot mount ${JSON.stringify(path)}: it is not what the launcher admitted a moment ago`, {
    data: { path },
  });
}
