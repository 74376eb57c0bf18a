// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { printable } from './printable.ts';
import { ROOM_HELP, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';
import { anyUser } from './user-argument.ts';

/** `bureau matrix user kick`. */
export const matrixUserKick: AnyOperation = defineOperation({
  name: 'matrix user kick',
  summary: 'Put a user out of a room, or take back an invitation',
  description: 'The account stays, and may be invited again. Whoever is neither in nor invited: not_found, exit code 1.',
  grant: 'matrix/user/kick',
  input: v.strictObject({
    user: anyUser,
    room: roomArgument,
    reason: v.optional(v.pipe(v.string(), v.maxLength(500))),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ user_id: v.string(), room_id: v.string() }),
  fields: {
    user: { help: 'the user ID: @name:server' },
    room: { help: ROOM_HELP, placeholder: 'ROOM' },
    reason: { help: 'what the members of the room will read', placeholder: 'TEXT' },
    ...SESSION_FIELDS,
  },
  positionals: ['user'],
  examples: [
    { command: "bureau matrix user kick @iree-builder:bureau.local --room '#iree/builds:bureau.local'", shows: 'an agent put out' },
  ],
  async handler({ user, room, reason, ...input }, context) {
    const { signal } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    const membership = (await session.client.state(roomId, 'm.room.member', user, { signal }))?.['membership'];
    // A server takes a second kick, and even one of a stranger: it would look like a success.
    if (membership !== 'join' && membership !== 'invite' && membership !== 'knock')
      throw new BureauError('not_found', `${user} is neither in ${roomId} nor invited to it`, { data: { user, room: roomId } });
    await session.client.kick(roomId, user, reason, { signal });
    return { user_id: user, room_id: roomId };
  },
  render: ({ user_id, room_id }) => `Kicked ${printable(user_id)} from ${room_id}`,
});
