// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, authorizationList, type AuthorizationList } from '@bureau/protocol';
import * as v from 'valibot';

/**
 * Grants and denials from a command line, each `ACTION` or `ACTION@TARGET` (`matrix/join@#iree/general:server`, `matrix/*@iree/**`).
 * Grants are added to what every agent may do. `undefined` when none was given. Throws `invalid_grant`.
 */
export function parseAuthorization(grants: readonly string[], denials: readonly string[]): AuthorizationList | undefined {
  if (grants.length === 0 && denials.length === 0) return undefined;
  const list = { grants: [...DEFAULT_AUTHORIZATION.grants, ...grants.map(parseRule)], denials: denials.map(parseRule) };
  const parsed = v.safeParse(authorizationList, list);
  if (parsed.success) return parsed.output;
  throw new UsageError('invalid_grant', `Cannot use these grants and denials: ${parsed.issues[0].message}`);
}

function parseRule(text: string): { actions: string[]; targets?: string[] } {
  const at = text.indexOf('@');
  // `@pm:server` may be the target: the first "@" parts, the second belongs to it.
  const rule = at < 0 ? { actions: [text] } : { actions: [text.slice(0, at)], targets: [text.slice(at + 1)] };
  const parsed = v.safeParse(authorizationList, { grants: [rule] });
  if (parsed.success) return rule;
  const shown = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  throw new UsageError('invalid_grant', `Cannot read ${shown} as a grant: ${parsed.issues[0].message}; write ACTION or ACTION@TARGET`);
}
