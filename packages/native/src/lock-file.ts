// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { libc } from './libc.ts';
import { lastErrno, systemCallError } from './system-call-error.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the one exclusive lock of a file that is made when missing (mode 0600, never followed through a symlink, never removed).
 * Null when another open file holds it, in this process or another. Disposing releases it; so does the end of the process,
 * `kill -9` included, unless a child inherited the descriptor (it is close-on-exec).
 */
export function tryLockFile(path: string): Disposable | null {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  let held = false;
  try {
    fchmodSync(descriptor, 0o600);
    held = libc().flock(descriptor, LOCK_EX | LOCK_NB) === 0;
    if (!held) {
      const errno = lastErrno();
      if (errno !== 'EWOULDBLOCK' && errno !== 'EAGAIN') throw systemCallError('flock', errno, `lock ${path}`, { path });
      return null;
    }
  } finally {
    if (!held) closeSync(descriptor);
  }
  return {
    [Symbol.dispose](): void {
      if (!held) return;
      held = false;
      closeSync(descriptor);
    },
  };
}
