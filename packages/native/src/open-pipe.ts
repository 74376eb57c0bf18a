// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

const O_CLOEXEC = 0o2000000;
const INT_BYTES = 4;

/** The two descriptors of a pipe, both the caller's to close. */
export interface PipeEnds {
  readonly read: number;
  readonly write: number;
}

/**
 * A real pipe, close-on-exec at both ends. What Node calls a pipe for a child is a socket pair: a program cannot open that by
 * `/dev/stdout` or `/proc/self/fd/1`.
 */
export function openPipe(): PipeEnds {
  const ends = Buffer.alloc(2 * INT_BYTES);
  checked(libc().pipe2(ends, O_CLOEXEC), 'pipe2', 'make a pipe');
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(INT_BYTES) };
}
