// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode, type RoomAlias, type RoomId, type ServerName, type UserId } from '@bureau/core';
import type { MatrixClient } from './client.ts';
import type { CallOptions } from './http.ts';
import { powerLevels } from './power-levels.ts';
import { INITIAL_STATE, roomFaults, roomOrigin } from './room-state.ts';
import { aliasOfRoom, type RoomKind } from './rooms.ts';
import type { StateEvent } from './schemas.ts';

/** Versions that this code knows, the wanted one first. */
const ROOM_VERSIONS: readonly string[] = ['12', '11'];

export interface RoomContext {
  /** Of the one who owns Bureau's rooms. */
  readonly client: MatrixClient;
  readonly owner: UserId;
  readonly serverName: ServerName;
  readonly roomVersion: string;
  readonly signal?: AbortSignal | undefined;
}

export interface EnsuredRoom {
  readonly roomId: RoomId;
  readonly outcome: 'made' | 'repaired' | 'kept';
  /** What was repaired. */
  readonly repaired: readonly string[];
}

/** 12 where the server offers it, else 11. Throws `matrix_room_version_unsupported`. */
export async function chooseRoomVersion(client: MatrixClient, options: CallOptions = {}): Promise<string> {
  const offered = await client.roomVersions(options);
  const version = ROOM_VERSIONS.find((candidate) => offered.includes(candidate));
  if (version !== undefined) return version;
  throw new BureauError(
    'matrix_room_version_unsupported',
    `Expected a homeserver with room version ${ROOM_VERSIONS.join(' or ')}, and it offers ${offered.join(', ')}; a newer homeserver is needed`,
  );
}

/**
 * The room behind the kind's alias as it should be: made, repaired, or found right.
 * Throws `matrix_alias_squatted` when the alias names a room that `owner` did not make, which is never adopted.
 */
export async function ensureRoom(context: RoomContext, kind: RoomKind): Promise<EnsuredRoom> {
  return makeOr(context, kind, (alias, room) => repairRoom(context, kind, alias, room));
}

/**
 * As `ensureRoom`, but a room of ours that is there stays as it is: for rooms whose settings people change on purpose.
 * Throws `matrix_alias_squatted` as it does.
 */
export async function makeRoomOnce(context: RoomContext, kind: RoomKind): Promise<EnsuredRoom> {
  return makeOr(context, kind, async (alias, roomId) => {
    await ownRoomState(context, kind, alias, roomId);
    return { roomId, outcome: 'kept', repaired: [] };
  });
}

async function makeOr(
  context: RoomContext,
  kind: RoomKind,
  adopt: (alias: RoomAlias, roomId: RoomId) => Promise<EnsuredRoom>,
): Promise<EnsuredRoom> {
  const { client, serverName, signal } = context;
  const alias = aliasOfRoom(kind, serverName);
  const known = await client.resolveAlias(alias, { signal });
  if (known !== undefined) return adopt(alias, known);
  try {
    return { roomId: await makeRoom(context, kind), outcome: 'made', repaired: [] };
  } catch (error) {
    // Somebody was quicker: another set-up, or a stranger. The origin tells.
    if (!hasCode(error, 'matrix_room_in_use')) throw error;
    const taken = await client.resolveAlias(alias, { signal });
    if (taken === undefined) throw error;
    return adopt(alias, taken);
  }
}

/** The state of a room that is ours. Throws `matrix_alias_squatted` when another made it, or when it is a space and should not be, or the reverse. */
export async function ownRoomState(
  context: Pick<RoomContext, 'client' | 'owner' | 'signal'>,
  kind: RoomKind,
  alias: RoomAlias,
  roomId: RoomId,
): Promise<readonly StateEvent[]> {
  const { client, owner, signal } = context;
  let state: readonly StateEvent[];
  try {
    state = await client.allState(roomId, { signal });
  } catch (error) {
    if (hasCode(error, 'matrix_forbidden')) throw squatted(alias, roomId, `${owner} is not in it`);
    throw error;
  }
  const origin = roomOrigin(state);
  if (origin?.creator !== owner) throw squatted(alias, roomId, `${origin?.creator ?? 'nobody known'} made it, not ${owner}`);
  if (origin.furtherCreators.length > 0)
    throw squatted(alias, roomId, `it has further creators (${origin.furtherCreators.join(', ')}), whose power has no limit`);
  if (origin.space !== kind.space) throw squatted(alias, roomId, kind.space ? 'it is no space' : 'it is a space');
  return state;
}

function squatted(alias: RoomAlias, roomId: RoomId, fault: string): BureauError {
  return new BureauError(
    'matrix_alias_squatted',
    `Refused to use the room ${roomId} behind ${alias}: ${fault}. Take the alias away from that room (DELETE /_matrix/client/v3/directory/room/…, as its maker or as a server administrator) and run this again`,
    { data: { alias, roomId } },
  );
}

async function makeRoom(context: RoomContext, kind: RoomKind): Promise<RoomId> {
  const { client, owner, roomVersion, signal } = context;
  return client.createRoom(
    {
      roomVersion,
      aliasLocalpart: kind.alias,
      name: kind.name,
      topic: kind.topic,
      ...(kind.space ? { creationContent: { type: 'm.space' } } : {}),
      powerLevels: { ...powerLevels(kind.powers, { creator: owner, roomVersion }) },
      initialState: INITIAL_STATE,
    },
    { signal },
  );
}

async function repairRoom(context: RoomContext, kind: RoomKind, alias: RoomAlias, roomId: RoomId): Promise<EnsuredRoom> {
  const { client, owner, signal } = context;
  const state = await ownRoomState(context, kind, alias, roomId);
  const faults = roomFaults(kind, state, { creator: owner, roomVersion: roomOrigin(state)?.roomVersion ?? '1' });
  for (const fault of faults) {
    if (fault.repairs === undefined)
      throw new BureauError('matrix_room_unusable', `Cannot use the room ${roomId} behind ${alias}: ${fault.message}`, {
        data: { alias, roomId },
      });
    for (const { type, stateKey, content } of fault.repairs) await client.setState(roomId, type, stateKey, content, { signal });
  }
  return { roomId, outcome: faults.length > 0 ? 'repaired' : 'kept', repaired: faults.map(({ check, message }) => `${check}: ${message}`) };
}
