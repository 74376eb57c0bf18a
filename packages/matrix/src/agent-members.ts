// SPDX-License-Identifier: Apache-2.0
import { EVENT_TYPES } from '@bureau/protocol';
import type { StateEvent } from './schemas.ts';

/** First segments of accounts that are no agents: machines, and what set-up makes. */
const NO_AGENTS: readonly string[] = ['machine', 'bureau'];
/** Memberships that let somebody in, now or as soon as they like. */
const PRESENT: readonly unknown[] = ['join', 'invite', 'knock'];

/**
 * Members of a room that are agents: accounts with a name of segments that is no machine's (a person's account has none), and accounts
 * that are assigned somewhere, whatever their name: `assigned` and the room's own assignments and credentials say which. Pure.
 */
export function agentMembers(state: readonly StateEvent[], assigned: ReadonlySet<string> = new Set()): readonly string[] {
  const here = new Set([...assigned, ...assignedIn(state)]);
  return state
    .filter(({ type, content }) => type === 'm.room.member' && PRESENT.includes(content['membership']))
    .map(({ state_key: user }) => user)
    .filter((user) => isAgent(user, here))
    .toSorted();
}

/** Names of the principals that a config room's state speaks of. Pure. */
export function assignedIn(state: readonly StateEvent[]): ReadonlySet<string> {
  const types: readonly string[] = [EVENT_TYPES.assignment, EVENT_TYPES.credentials];
  return new Set(state.filter(({ type }) => types.includes(type)).map(({ state_key: key }) => key));
}

function isAgent(user: string, assigned: ReadonlySet<string>): boolean {
  const localpart = user.slice(1).split(':')[0] ?? '';
  const [first, ...rest] = localpart.split('/');
  return (rest.length > 0 && !NO_AGENTS.includes(first ?? '')) || assigned.has(localpart);
}
