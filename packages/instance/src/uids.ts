// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { PRINCIPAL_NUMBER_MAX, UID_PRINCIPALS_OFFSET } from './limits.ts';

/** Who is who in an instance's range of uids; groups have the same numbers. */
export interface InstanceUids {
  readonly base: number;
  readonly daemon: number;
  readonly homeserver: number;
  /** Relay and payload of principal `number`. Throws `principal_number_invalid`. */
  payload(number: number): number;
  /** The proxy of principal `number`. Throws `principal_number_invalid`. */
  proxy(number: number): number;
  /** Whose proxy this uid is; undefined for a uid that is no proxy's of this instance. */
  numberOfProxy(uid: number): number | undefined;
}

/** The uids of an instance whose range starts at `base` (design, "Fixed places and numbers"). */
export function uidsOf(base: number): InstanceUids {
  return {
    base,
    daemon: base,
    homeserver: base + 1,
    payload: (number) => base + UID_PRINCIPALS_OFFSET + 2 * checked(number),
    proxy: (number) => base + UID_PRINCIPALS_OFFSET + 1 + 2 * checked(number),
    numberOfProxy: (uid) => {
      const number = (uid - base - UID_PRINCIPALS_OFFSET - 1) / 2;
      return isNumber(number) ? number : undefined;
    },
  };
}

/** A number out of range would be a uid of the next instance. */
function checked(number: number): number {
  if (isNumber(number)) return number;
  throw new UsageError(
    'principal_number_invalid',
    `Cannot use ${number} as a principal's number: expected an integer from 0 to ${PRINCIPAL_NUMBER_MAX}`,
  );
}

function isNumber(number: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= PRINCIPAL_NUMBER_MAX;
}
