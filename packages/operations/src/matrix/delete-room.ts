// SPDX-License-Identifier: Apache-2.0
import { UsageError, hasCode, type RoomAlias, type RoomId } from '@bureau/core';
import { BUREAU_SPACE, STANDARD_ROOMS, childIsLinked, contentOf, roomOrigin, roomSummaries, type StateEvent } from '@bureau/matrix';
import * as v from 'valibot';
import type { OperationContext } from '../registry/context.ts';
import { readRoomState, resolveRoom } from './room-argument.ts';
import { openSession, type Session, type SessionInput } from './session.ts';

/** What a deletion did, as JSON. */
export const deletedRoom = v.strictObject({
  room_id: v.string(),
  aliases_removed: v.array(v.string()),
  unlinked_from: v.array(v.string()),
  /** Others who are still in: the room goes on for them. */
  members_left: v.number(),
});
export type DeletedRoom = v.InferOutput<typeof deletedRoom>;

/** What the help of both commands says. */
export const DELETE_DESCRIPTION =
  'Matrix has no deletion: this takes it out of every space that the operator is in, removes its aliases (which are free again) and leaves it. Whoever else is in stays in, with all messages, and no operator can govern it any more: kick them first if that is not wanted. Bureau’s own rooms are refused.';

/**
 * Takes a room away as far as Matrix knows that. In an order that a second run, by ID, completes.
 * Throws `room_protected`, `not_a_space`, `not_found`, `not_in_room`.
 */
export async function deleteRoom(
  wanted: { readonly room: string; readonly space: boolean },
  input: SessionInput,
  context: OperationContext,
): Promise<DeletedRoom> {
  const { signal } = context;
  const session = await openSession(input, context);
  const { client, user } = session;
  const room = await resolveRoom(session, wanted.room, signal);
  const state = await readRoomState(session, room, signal);
  const isSpace = roomOrigin(state)?.space ?? false;
  if (isSpace !== wanted.space)
    throw new UsageError(
      isSpace ? 'is_a_space' : 'not_a_space',
      isSpace ? `${room} is a space; use "bureau matrix space delete"` : `${room} is a room, not a space; use "bureau matrix room delete"`,
    );
  const aliases = localAliases(state, session);
  refuseOwn(room, aliases, session);
  context.progress(`taking ${room} away`);
  const unlinked: string[] = [];
  for (const space of await roomSummaries(client, { signal })) {
    if (!space.space || !childIsLinked(await client.state(space.roomId, 'm.space.child', room, { signal }))) continue;
    await client.setState(space.roomId, 'm.space.child', room, {}, { signal });
    unlinked.push(space.roomId);
  }
  const removed: string[] = [];
  for (const alias of aliases) if (await removeAlias(session, alias, room, signal)) removed.push(alias);
  const others = state.filter(
    (event) => event.type === 'm.room.member' && event.state_key !== user && event.content['membership'] === 'join',
  );
  await client.leave(room, { signal });
  return { room_id: room, aliases_removed: removed, unlinked_from: unlinked, members_left: others.length };
}

/** For a person. */
export function renderDeleted({ room_id, aliases_removed, unlinked_from, members_left }: DeletedRoom): string {
  return [
    `Left ${room_id}`,
    ...aliases_removed.map((alias) => `removed the alias ${alias}`),
    ...unlinked_from.map((space) => `took it out of the space ${space}`),
    ...(members_left === 0 ? [] : [`${members_left} ${members_left === 1 ? 'other member is' : 'other members are'} still in`]),
  ].join('\n');
}

/** The aliases that a room says it has, on this server. */
function localAliases(state: readonly StateEvent[], { serverName }: Session): readonly RoomAlias[] {
  const content = contentOf(state, 'm.room.canonical_alias') ?? {};
  const further = content['alt_aliases'];
  const all = [content['alias'], ...(Array.isArray(further) ? (further as unknown[]) : [])];
  return [
    ...new Set(all.filter((alias) => typeof alias === 'string' && alias.startsWith('#') && alias.endsWith(`:${serverName}`))),
  ] as RoomAlias[];
}

function refuseOwn(room: RoomId, aliases: readonly RoomAlias[], { credentials, serverName }: Session): void {
  const standard = [BUREAU_SPACE, ...STANDARD_ROOMS];
  const own =
    standard.some(
      (kind) => credentials.get(kind.credentialKey) === room || aliases.includes(`#${kind.alias}:${serverName}` as RoomAlias),
    ) || aliases.some((alias) => alias.startsWith('#machine/'));
  if (own)
    throw new UsageError('room_protected', `${room} is one of Bureau's own rooms, which everything else stands on; it is not deleted`, {
      data: { room },
    });
}

/** Removes an alias if it names this room. False when it does not. */
async function removeAlias({ client }: Session, alias: RoomAlias, room: RoomId, signal: AbortSignal): Promise<boolean> {
  if ((await client.resolveAlias(alias, { signal })) !== room) return false;
  try {
    await client.deleteAlias(alias, { signal });
    return true;
  } catch (error) {
    if (hasCode(error, 'matrix_not_found')) return false;
    throw error;
  }
}
