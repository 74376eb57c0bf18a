// SPDX-License-Identifier: Apache-2.0
import { UsageError, type PrincipalName, type RoomAlias, type RoomId } from '@bureau/core';
import {
  BUREAU_SPACE,
  STANDARD_ROOMS,
  aliasOfRoom,
  chooseRoomVersion,
  makeRoomOnce,
  type LowerLevel,
  type PowerRules,
  type RoomKind,
} from '@bureau/matrix';
import type { Session } from './session.ts';

/** Below these, aliases name what Bureau makes itself: the config room of a machine would be taken for one. */
const OWN_FIRST_SEGMENTS = ['machine', 'service', 'fleet'];

export interface RoomWish {
  readonly alias: PrincipalName;
  readonly name: string | undefined;
  readonly topic: string | undefined;
  readonly space: boolean;
  readonly memberStateEvents: readonly string[];
}

export interface MadeRoom {
  readonly roomId: RoomId;
  readonly alias: RoomAlias;
  readonly outcome: 'made' | 'kept';
}

/** A room of a project, or a space: made, or found as it is when it is ours. Throws `alias_reserved`, `matrix_alias_squatted`. */
export async function makeProjectRoom(session: Session, wish: RoomWish, signal: AbortSignal): Promise<MadeRoom> {
  refuseReserved(wish.alias);
  const { client, user: owner, serverName } = session;
  const kind: RoomKind = {
    label: wish.alias,
    alias: wish.alias,
    name: wish.name ?? wish.alias,
    topic: wish.topic ?? '',
    space: wish.space,
    powers: projectPowers(wish),
    agents: { admitted: true, reason: 'a project says itself who works in it' },
  };
  const roomVersion = await chooseRoomVersion(client, { signal });
  const { roomId, outcome } = await makeRoomOnce({ client, owner, serverName, roomVersion, signal }, kind);
  return { roomId, alias: aliasOfRoom(kind, serverName), outcome: outcome === 'made' ? 'made' : 'kept' };
}

/** Who may do what: operators all, members talk (not in a space) and set the listed state events. Pure. Throws `invalid_input`. */
export function projectPowers({ space, memberStateEvents }: Pick<RoomWish, 'space' | 'memberStateEvents'>): PowerRules {
  const events: Record<string, LowerLevel> = {};
  for (const type of memberStateEvents) {
    // Who may set a room's name, rules or power levels runs the room.
    if (/^m\.(room|space)\./.test(type))
      throw new UsageError(
        'invalid_input',
        `--member-state-event: ${type} governs the room itself and stays the operators'; list types such as m.bureau.build`,
      );
    events[type] = { level: 0, reason: 'the operator who made the room listed it' };
  }
  return space ? { events } : { messages: { level: 0, reason: 'people and agents talk here' }, events };
}

function refuseReserved(alias: string): void {
  const standard = [BUREAU_SPACE, ...STANDARD_ROOMS].some((kind) => kind.alias === alias);
  const first = alias.split('/')[0] ?? '';
  if (!standard && !OWN_FIRST_SEGMENTS.includes(first)) return;
  throw new UsageError(
    'alias_reserved',
    standard
      ? `The room #${alias} is Bureau's own; "bureau matrix setup" makes it`
      : `Aliases that start with "${first}" belong to Bureau itself; choose another first segment`,
    { data: { alias } },
  );
}
