// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const INT_BYTES = 4;

/** Two connected Unix stream sockets, blocking and close-on-exec; both the caller's to close. */
export function openSocketPair(): readonly [number, number] {
  const ends = Buffer.alloc(2 * INT_BYTES);
  checked(libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 'socketpair', 'make a pair of sockets');
  return [ends.readInt32LE(0), ends.readInt32LE(INT_BYTES)];
}
