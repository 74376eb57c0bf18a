// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { Problem } from '../problem.ts';
import type { MatrixAccount } from './account.ts';

/** https://spec.matrix.org/v1.16/client-server-api/#presence; homeservers know further states, such as busy. */
const answer = v.object({
  presence: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,64}$/)),
  status_msg: v.optional(v.nullable(v.string())),
  last_active_ago: v.optional(v.nullable(v.number())),
  currently_active: v.optional(v.nullable(v.boolean())),
});

/** What an agent is told of somebody's presence. */
export const presence = v.object({
  presence: v.string(),
  status_msg: v.nullable(v.string()),
  /** Milliseconds. */
  last_active_ago: v.nullable(v.number()),
  currently_active: v.nullable(v.boolean()),
});

/**
 * The presence of `user` as the homeserver tells it. Throws the `Problem` 404 `presence_disabled` where it keeps none, and 403
 * `matrix_forbidden` for a user that shares no room. `nobody` is any word that no account has in its name.
 */
export async function presenceOf(account: MatrixAccount, user: string, nobody: string): Promise<v.InferOutput<typeof presence>> {
  const found = await ask(account, user);
  const said = {
    presence: found.presence,
    status_msg: found.status_msg ?? null,
    last_active_ago: found.last_active_ago ?? null,
    currently_active: found.currently_active ?? null,
  };
  const saysNothing = said.presence === 'offline' && said.status_msg === null && said.last_active_ago === null;
  if (saysNothing && (await saysSoOfAnybody(account, nobody))) throw presenceDisabled();
  return said;
}

/** What is told where the homeserver takes presence and keeps none. */
export function presenceDisabled(): Problem {
  return new Problem(
    404,
    'presence_disabled',
    'The homeserver keeps no presence, so nobody is seen online or offline; an operator of the homeserver can switch it on. Say it in a room instead.',
  );
}

/** Synapse with presence off says "offline" of every user; with presence on it refuses for one that shares no room with the account. */
async function saysSoOfAnybody(account: MatrixAccount, nobody: string): Promise<boolean> {
  try {
    await ask(account, `@${nobody}${account.userId.slice(account.userId.indexOf(':'))}`);
    return true;
  } catch (error) {
    if (error instanceof Problem && (error.status === 403 || error.status === 404)) return false;
    throw error;
  }
}

function ask(account: MatrixAccount, user: string): Promise<v.InferOutput<typeof answer>> {
  return account.request(answer, { method: 'GET', path: ['presence', user, 'status'], idempotent: true });
}
