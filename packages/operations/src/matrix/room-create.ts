// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, type RoomId } from '@bureau/core';
import { childIsLinked, powerOf, requiredPower, roomOrigin } from '@bureau/matrix';
import { localpart } from '@bureau/protocol';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { eventType } from './event-type.ts';
import { makeProjectRoom } from './make-room.ts';
import { readRoomState, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession, type Session } from './session.ts';

/** `bureau matrix room create`. */
export const matrixRoomCreate: AnyOperation = defineOperation({
  name: 'matrix room create',
  summary: 'Make a room inside a space',
  description:
    'Invite-only; members talk, only operators change the room or set state events that are not listed. Idempotent: a room of ours that is there is kept as it is, and hung into the space where that is missing. An alias that somebody else has taken is refused (matrix_alias_squatted).',
  grant: 'matrix/room/create',
  input: v.strictObject({
    alias: localpart,
    space: roomArgument,
    name: v.optional(v.pipe(v.string(), v.maxLength(255))),
    topic: v.optional(v.pipe(v.string(), v.maxLength(2_000))),
    member_state_event: v.optional(v.pipe(v.array(eventType), v.maxLength(50)), []),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ room_id: v.string(), alias: v.string(), space_id: v.string(), outcome: v.picklist(['made', 'kept']) }),
  fields: {
    alias: { help: 'the alias without "#" and server, such as iree/amdgpu/general' },
    space: { help: 'where it belongs: "!id", "#alias:server", or an alias such as iree', placeholder: 'SPACE' },
    name: { help: 'default: the alias', placeholder: 'TEXT' },
    topic: { help: 'what it is for', placeholder: 'TEXT' },
    member_state_event: { help: 'a type of state event that members may set; repeat it for more', placeholder: 'TYPE' },
    ...SESSION_FIELDS,
  },
  positionals: ['alias'],
  examples: [
    {
      command: 'bureau matrix room create iree/builds --name "IREE Builds" --space \'#iree:bureau.local\'',
      shows: 'the room ID of the room',
    },
    {
      command: 'bureau matrix room create iree/status --space iree --member-state-event m.bureau.build',
      shows: 'a room whose members may set m.bureau.build',
    },
  ],
  async handler({ alias, name, topic, space, member_state_event: memberStateEvents, ...input }, context) {
    const { signal } = context;
    const session = await openSession(input, context);
    const spaceId = await resolveRoom(session, space, signal);
    await requireSpace(session, spaceId, signal);
    const made = await makeProjectRoom(session, { alias, name, topic, space: false, memberStateEvents }, signal);
    const linked = await link(session, spaceId, made.roomId, signal);
    if (made.outcome === 'kept') context.progress(`kept: ${made.alias} is there${linked ? '; hung into the space' : ''}`);
    return { room_id: made.roomId, alias: made.alias, space_id: spaceId, outcome: made.outcome };
  },
  render: ({ room_id }) => room_id,
});

/** Before a room is made that could not be hung anywhere. */
async function requireSpace(session: Session, space: RoomId, signal: AbortSignal): Promise<void> {
  const state = await readRoomState(session, space, signal);
  if (roomOrigin(state)?.space !== true)
    throw new UsageError('not_a_space', `${space} is a room, not a space; see "bureau matrix space list"`);
  const own = powerOf(state, session.user);
  const needed = requiredPower(state, 'm.space.child');
  if (own !== 'unlimited' && own < needed)
    throw new BureauError(
      'matrix_forbidden',
      `${session.user} has power level ${own} in the space ${space}, and hanging a room into it needs ${needed}`,
    );
}

/** Both ends of the tie, as clients expect them. True when one was missing. */
async function link({ client, serverName }: Session, space: RoomId, room: RoomId, signal: AbortSignal): Promise<boolean> {
  const content = { via: [serverName] };
  const child = await client.state(space, 'm.space.child', room, { signal });
  if (!childIsLinked(child)) await client.setState(space, 'm.space.child', room, content, { signal });
  const parent = await client.state(room, 'm.space.parent', space, { signal });
  if (!childIsLinked(parent)) await client.setState(room, 'm.space.parent', space, { ...content, canonical: true }, { signal });
  return !childIsLinked(child) || !childIsLinked(parent);
}
