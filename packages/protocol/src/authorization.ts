// SPDX-License-Identifier: Apache-2.0
import { GLOB_MAX_LENGTH, parseGlob } from '@bureau/core';
import * as v from 'valibot';

/** Most rules of one list; each is looked at for each call. */
const AUTHORIZATION_RULES_MAX = 256;
/** Most patterns of one rule. */
const AUTHORIZATION_PATTERNS_MAX = 64;

/** Which actions: a glob over names such as `matrix/join`. */
const actionPattern = v.pipe(
  v.string(),
  v.maxLength(GLOB_MAX_LENGTH),
  v.check(isGlob, 'expected an action such as "matrix/join", or a glob such as "matrix/*" or "**"'),
);

/**
 * On what: a room ID, an alias, a user ID, exactly as Matrix spells it; or a glob over localparts (`iree/**` is every room and user below
 * `iree`); `**` is everything.
 */
const targetPattern = v.pipe(
  v.string(),
  v.maxLength(GLOB_MAX_LENGTH),
  v.check(
    (text) => /^[!#@][\x21-\x7e]+$/.test(text) || isGlob(text),
    'expected a room ID, an alias, a user ID, or a glob such as "iree/**"',
  ),
);

/** Some actions on some targets; without targets, on all. */
export const authorizationRule = v.strictObject({
  actions: v.pipe(v.array(actionPattern), v.minLength(1), v.maxLength(AUTHORIZATION_PATTERNS_MAX)),
  targets: v.optional(v.pipe(v.array(targetPattern), v.minLength(1), v.maxLength(AUTHORIZATION_PATTERNS_MAX)), ['**']),
});
export type AuthorizationRule = v.InferOutput<typeof authorizationRule>;

/** What one principal may do. A denial wins over every grant; what nothing grants is denied. */
export const authorizationList = v.strictObject({
  grants: v.pipe(v.array(authorizationRule), v.maxLength(AUTHORIZATION_RULES_MAX)),
  denials: v.optional(v.pipe(v.array(authorizationRule), v.maxLength(AUTHORIZATION_RULES_MAX)), []),
});
export type AuthorizationList = v.InferOutput<typeof authorizationList>;

/** What a principal may do when nobody has said anything: read and speak in the rooms that it is in, and leave them. */
export const DEFAULT_AUTHORIZATION: AuthorizationList = {
  grants: [{ actions: ['matrix/read', 'matrix/send', 'matrix/leave'], targets: ['**'] }],
  denials: [],
};

function isGlob(text: string): boolean {
  try {
    parseGlob(text);
    return true;
  } catch {
    return false;
  }
}
