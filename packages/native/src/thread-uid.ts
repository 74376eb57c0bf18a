// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { libc } from './libc.ts';

const SYS_SETRESUID: Readonly<Record<string, number>> = { x64: 117, arm64: 147 };

/**
 * Asks the kernel for `uid` as real, effective and saved uid of the calling thread alone; true when it was given, and then this thread is that
 * user. The C library's own calls ask on every thread, and Node's throw an error that takes a millisecond to make.
 */
export function takeThreadUid(uid: number): boolean {
  const number = SYS_SETRESUID[process.arch];
  if (number === undefined) throw new UsageError('bad_architecture', `Expected x64 or arm64, found ${process.arch}.`);
  return libc().syscall(number, uid, uid, uid, 0) === 0;
}
