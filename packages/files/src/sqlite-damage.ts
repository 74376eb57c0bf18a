// SPDX-License-Identifier: Apache-2.0

/**
 * SQLite's primary codes for what lies outside the file: no permission, busy, locked, no memory, read-only, input or output failed,
 * disk full, cannot be opened.
 */
const SQLITE_OUTSIDE: readonly number[] = [3, 5, 6, 7, 8, 10, 13, 14];

/**
 * Whether an SQLite file that could not be read is itself at fault, what is in it included. On a full or failing disk it may be whole,
 * and is wanted again when there is room.
 */
export function isSqliteDamage(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return true;
  return !SQLITE_OUTSIDE.includes(error.errcode & 0xff);
}
