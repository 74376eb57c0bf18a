// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

/** An event ID of any room version, as the homeserver gives it. */
export const eventId = v.pipe(v.string(), v.regex(/^\$[\x21-\x7e]{1,254}$/, 'expected an event ID ("$…")'));
/** Any user of any server. */
export const anyUserId = v.pipe(
  v.string(),
  v.regex(/^@[\x21-\x39\x3b-\x7e]{1,250}:[\x21-\x7e]{1,250}$/, 'expected a user ID ("@name:server")'),
  v.maxLength(255, 'expected at most 255 characters'),
);
/** The type of an event or of state. */
export const eventType = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,255}$/, 'expected an event type such as "m.room.topic"'));
/** Where a page begins, as an earlier answer said. */
export const pageToken = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,1024}$/, 'expected a token of an earlier answer'));
/** Makes sending the same thing twice harmless. */
export const transactionId = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected 1 to 64 of A-Z, a-z, 0-9, "_", "." and "-"'),
  v.check((id) => id !== '.' && id !== '..', 'expected something else than "." and "..", which servers read as directories'),
);
/** Text that Matrix can carry. */
export const wellFormedText = v.pipe(
  v.string(),
  v.minLength(1, 'expected some text'),
  v.check((text) => text.isWellFormed(), 'expected text without half surrogate pairs'),
);
/** An event as the homeserver gives it: its content is whatever its sender wrote. */
export const matrixEvent = v.looseObject({ type: v.string() });
/** An answer of which nothing is needed. */
export const emptyAnswer = v.object({});

/** A whole number in a query, between two bounds. */
export function queryInteger(least: number, most: number) {
  return v.pipe(
    v.string(),
    v.regex(/^[0-9]{1,9}$/, 'expected a whole number'),
    v.transform(Number),
    v.check((value) => value >= least && value <= most, `expected ${least} to ${most}`),
  );
}
