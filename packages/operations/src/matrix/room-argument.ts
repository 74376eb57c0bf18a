// SPDX-License-Identifier: Apache-2.0
import {
  BureauError,
  hasCode,
  parseLocalpart,
  parseRoomAlias,
  parseRoomId,
  roomAliasOf,
  type RoomAlias,
  type RoomId,
  type ServerName,
} from '@bureau/core';
import { contentOf, type StateEvent } from '@bureau/matrix';
import * as v from 'valibot';
import type { Session } from './session.ts';

/** A room as a person writes it: `!id`, `#alias:server`, or an alias without `#` and server. */
export const roomArgument = v.pipe(v.string(), v.minLength(1, 'expected a room'), v.maxLength(255));
/** Its help. */
export const ROOM_HELP = 'the room: "!id", "#alias:server", or an alias such as iree/builds';

/** What a room argument says, before anybody is asked. Pure. Throws `invalid_name`. */
export function readRoomArgument(text: string, server: ServerName): { readonly id: RoomId } | { readonly alias: RoomAlias } {
  if (text.startsWith('!')) return { id: parseRoomId(text) };
  if (text.startsWith('#') && text.includes(':')) return { alias: parseRoomAlias(text) };
  return { alias: roomAliasOf(parseLocalpart(text.replace(/^#/, '')), server) };
}

/** The room that is meant. Throws `not_found` when an alias names none. */
export async function resolveRoom(session: Session, text: string, signal: AbortSignal): Promise<RoomId> {
  const room = readRoomArgument(text, session.serverName);
  if ('id' in room) return room.id;
  const found = await session.client.resolveAlias(room.alias, { signal });
  if (found !== undefined) return found;
  throw new BureauError('not_found', `There is no room ${room.alias}; "bureau matrix room list" and "… space list" show what there is`, {
    data: { alias: room.alias },
  });
}

/**
 * All state of a room that we are in. Throws `not_in_room` instead of the server's bare refusal, and for a room that we have left,
 * whose state a server goes on to show as it was then.
 */
export async function readRoomState(session: Session, room: RoomId, signal: AbortSignal): Promise<readonly StateEvent[]> {
  let state: readonly StateEvent[];
  try {
    state = await session.client.allState(room, { signal });
  } catch (error) {
    if (hasCode(error, 'matrix_forbidden') || hasCode(error, 'matrix_not_found')) throw notInRoom(session, room, error);
    throw error;
  }
  if (contentOf(state, 'm.room.member', session.user)?.['membership'] !== 'join') throw notInRoom(session, room);
  return state;
}

/** For a room that a session may not look into. */
export function notInRoom({ user }: Session, room: RoomId, cause?: Error): BureauError {
  return new BureauError('not_in_room', `${user} is not in ${room}; have it invited, or check the room's ID`, { data: { room }, cause });
}
