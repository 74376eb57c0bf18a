// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';
import { BureauError, hasCode } from '@bureau/core';
import { libc } from './libc.ts';
import { WRITE_STALL_MILLISECONDS } from './limits.ts';
import { checked } from './system-call-error.ts';

const POLLOUT = 4;
const POLLFD_BYTES = 8;

/** True when `fd` takes bytes (or reports its error at the next write) within `milliseconds`. */
function waitWritable(fd: number, milliseconds: number): boolean {
  const pollfd = Buffer.alloc(POLLFD_BYTES);
  pollfd.writeInt32LE(fd, 0);
  pollfd.writeInt16LE(POLLOUT, 4);
  return checked(libc().poll(pollfd, 1, milliseconds), 'poll', `wait until descriptor ${fd} takes bytes`, { fd }) > 0;
}

/**
 * Writes all of `bytes`, synchronously, to a descriptor that may be non-blocking and may take them in pieces. Blocks the event loop:
 * for a few bytes to a pipe or a file (a readiness line, a report), not for data. Throws `write_stalled` when the reader takes nothing
 * for a second, and what `fs.writeSync` throws (EPIPE when nobody reads any more).
 */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if (!hasCode(error, 'EAGAIN')) throw error;
      if (waitWritable(fd, WRITE_STALL_MILLISECONDS)) continue;
      throw new BureauError(
        'write_stalled',
        `Wrote ${written} of ${bytes.length} bytes to descriptor ${fd}, then its reader took nothing for ${WRITE_STALL_MILLISECONDS} ms.`,
        {
          data: { fd, written, bytes: bytes.length },
        },
      );
    }
  }
}
