// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** The same number on every architecture (calls from 424 on are shared). */
const SYS_CLOSE_RANGE = 436;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffff_ffff;

/**
 * Marks every open descriptor from `first` on close-on-exec. Call it right before a spawn: what is opened later is not covered.
 * Descriptors that the spawn passes on purpose are still passed (the spawn clears the mark on its copies).
 */
export function closeOnExecFrom(first: number): void {
  if (!Number.isInteger(first) || first < 0) throw new UsageError('bad_descriptor', `Expected a descriptor number from 0, found ${first}.`);
  checked(
    libc().syscall(SYS_CLOSE_RANGE, first, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC, 0),
    'close_range',
    `mark descriptors from ${first} close-on-exec`,
  );
}
