// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, renameSync } from 'node:fs';
import { LOG_ROTATE_BYTES } from './limits.ts';

/**
 * Opens a process's log for appending (0640, owner root), after moving one that has grown too large to `.1`.
 * A file and not a pipe: what a process says must not depend on a reader that may die. The caller closes the descriptor.
 */
export function openLogFile(path: string): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const descriptor = openSync(path, flags, 0o640);
  if (fstatSync(descriptor).size <= LOG_ROTATE_BYTES) return descriptor;
  closeSync(descriptor);
  renameSync(path, `${path}.1`);
  return openSync(path, flags, 0o640);
}
