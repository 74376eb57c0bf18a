// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { describeError, parsePrincipalName, userIdOf, type PrincipalName, type RoomId, type ServerName, type UserId } from '@bureau/core';
import type { HomeserverAdministration } from '@bureau/homeserver';
import type { OpenMachineRoom } from '@bureau/matrix';
import { CREDENTIALS, type ASSIGNMENT } from '@bureau/protocol';
import type { Session } from '../matrix/session.ts';
import type { MachineFacts } from './machine-facts.ts';

/** Accounts whose sessions are ended side by side. */
const SIDE_BY_SIDE = 8;
/** Random bytes of a password that nobody is told. */
const PASSWORD_BYTES = 32;

/** Principals whose keys a machine has or is to have: those that are assigned there, and those with a bundle for it. Pure. */
export function principalsOf({ state }: Pick<OpenMachineRoom, 'state'>, { assigned }: Pick<MachineFacts, 'assigned'>): PrincipalName[] {
  const sealed = state
    .filter(({ type, content }) => type === CREDENTIALS.type && Object.keys(content).length > 0)
    .map(({ state_key: key }) => key);
  return [...new Set([...assigned, ...sealed])].toSorted().flatMap((name) => {
    try {
      return [parsePrincipalName(name)];
    } catch {
      return [];
    }
  });
}

/**
 * Ends every session of the accounts that there are, and answers how many there were; the machine's first, whose password is then nobody's.
 * With `device` only that session of each principal: what it has elsewhere goes on.
 */
export async function endAccess(
  administration: HomeserverAdministration,
  machine: UserId,
  principals: readonly PrincipalName[],
  { serverName, device }: { readonly serverName: ServerName; readonly device?: string },
): Promise<number> {
  let ended = 0;
  if (await administration.knows(machine)) {
    ended += await administration.endSessions(machine);
    await administration.setPassword(machine, randomBytes(PASSWORD_BYTES).toString('hex'));
  }
  for (let at = 0; at < principals.length; at += SIDE_BY_SIDE) {
    const counts = await Promise.all(
      principals.slice(at, at + SIDE_BY_SIDE).map(async (principal) => {
        const user = userIdOf(principal, serverName);
        return (await administration.knows(user)) ? await administration.endSessions(user, device) : 0;
      }),
    );
    for (const count of counts) ended += count;
  }
  return ended;
}

/** Takes what the room says of these principals out of it: their bundles, or their assignments. */
export async function clearEvents(
  { client }: Session,
  { roomId, state }: OpenMachineRoom,
  type: typeof CREDENTIALS.type | typeof ASSIGNMENT.type,
  principals: readonly PrincipalName[],
  signal: AbortSignal,
): Promise<void> {
  const there = new Set(
    state.filter((event) => event.type === type && Object.keys(event.content).length > 0).map((event) => event.state_key),
  );
  for (const principal of principals) if (there.has(principal)) await client.setState(roomId, type, principal, {}, { signal });
}

/** Takes the machine out of every room that we share with it; answers those where that was refused, with the reason. */
export async function kickMachine({ client }: Session, user: UserId, reason: string, signal: AbortSignal): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const room of await client.joinedRooms({ signal })) {
    const membership = (await client.state(room, 'm.room.member', user, { signal }))?.['membership'];
    if (membership !== 'join' && membership !== 'invite') continue;
    await client.kick(room as RoomId, user, reason, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      failures.push(`${room}: ${describeError(error)}`);
    });
  }
  return failures;
}
