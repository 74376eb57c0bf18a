// SPDX-License-Identifier: Apache-2.0
import { BureauError, type ErrorData } from '@bureau/core';
import koffi from 'koffi';

/** The name of the last errno of a koffi call, like `EPERM`. Read it before anything else runs. */
export function lastErrno(): string {
  const value = koffi.errno();
  return Object.entries(koffi.os.errno).find(([, number]) => number === value)?.[0] ?? `errno ${value}`;
}

/**
 * The error of a refused system call: code `system_call_failed`, `data.call`, `data.errno`.
 *
 * @param purpose what was being done, for the message: "listen on /run/x.sock"
 */
export function systemCallError(call: string, errno: string, purpose: string, data: ErrorData = {}): BureauError {
  return new BureauError('system_call_failed', `Could not ${purpose}: the kernel answered ${errno} to ${call}.`, {
    data: { ...data, call, errno },
  });
}

/** Returns `result` of a C call, or throws `system_call_failed` when it is negative. */
export function checked(result: number, call: string, purpose: string, data: ErrorData = {}): number {
  if (result >= 0) return result;
  throw systemCallError(call, lastErrno(), purpose, data);
}
