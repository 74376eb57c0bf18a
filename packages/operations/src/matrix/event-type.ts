// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

const TYPE_MAX = 255;

/** The type of an event, such as `m.room.message`, or a pattern over types, where `*` stands for any characters. */
export const eventType = v.pipe(v.string(), v.regex(/^[!-~]+$/, 'expected an event type such as m.room.message'), v.maxLength(TYPE_MAX));
/** The ID of an event. */
export const eventId = v.pipe(
  v.string(),
  v.regex(/^\$[!-~]+$/, 'expected an event ID, which starts with "$" (quote it for the shell)'),
  v.maxLength(255),
);
/** The state key of a state event. */
export const stateKey = v.pipe(v.string(), v.maxLength(255));

/**
 * True when all of `type` fits `pattern`, where `*` stands for any characters, none included: Matrix's own rule for filters.
 * Takes at most length × length steps. Pure.
 */
export function matchEventType(pattern: string, type: string): boolean {
  let at = 0;
  let wanted = 0;
  let star = -1;
  let triedAt = 0;
  while (at < type.length) {
    if (pattern[wanted] === '*') {
      star = wanted;
      triedAt = at;
      wanted += 1;
    } else if (pattern[wanted] === type[at]) {
      wanted += 1;
      at += 1;
    } else if (star >= 0) {
      triedAt += 1;
      at = triedAt;
      wanted = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[wanted] === '*') wanted += 1;
  return wanted === pattern.length;
}
