// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, copyFileSync, existsSync, fstatSync, ftruncateSync, openSync, renameSync } from 'node:fs';
import { LOG_KEPT_FILES, LOG_ROTATE_BYTES } from './limits.ts';

/**
 * Opens a process's log for appending (0640, owner root), after moving one that has grown too large to `.1`, and that to `.2`, ….
 * A file and not a pipe: what a process says must not depend on a reader that may die. The caller closes the descriptor.
 */
export function openLogFile(path: string): number {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const descriptor = openSync(path, flags, 0o640);
  if (fstatSync(descriptor).size <= LOG_ROTATE_BYTES) return descriptor;
  closeSync(descriptor);
  makeRoomForFirst(path);
  renameSync(path, `${path}.1`);
  return openSync(path, flags, 0o640);
}

/**
 * The same for a log whose processes run and hold it open for appending: what it holds is copied to `.1`, and then it is cut off. What they
 * write between the two (a moment) is lost. True when it was too large; a log that is not there is none.
 */
export function cutLogFile(path: string): boolean {
  if (!existsSync(path)) return false;
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile() || facts.size <= LOG_ROTATE_BYTES) return false;
    copyFileSync(path, `${path}.new`);
    makeRoomForFirst(path);
    renameSync(`${path}.new`, `${path}.1`);
    ftruncateSync(descriptor, 0);
    return true;
  } finally {
    closeSync(descriptor);
  }
}

function makeRoomForFirst(path: string): void {
  for (let number = LOG_KEPT_FILES - 1; number > 0; number -= 1)
    if (existsSync(`${path}.${number}`)) renameSync(`${path}.${number}`, `${path}.${number + 1}`);
}
