// SPDX-License-Identifier: Apache-2.0
import { hasCode } from '@bureau/core';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ROOM_HELP, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';
import { ourUser } from './user-argument.ts';

/** `bureau matrix user invite`. */
export const matrixUserInvite: AnyOperation = defineOperation({
  name: 'matrix user invite',
  summary: 'Invite a user to a room',
  description: 'Idempotent: whoever is in or invited already stays so.',
  grant: 'matrix/user/invite',
  input: v.strictObject({ user: ourUser, room: roomArgument, ...SESSION_ENTRIES }),
  output: v.strictObject({
    user_id: v.string(),
    room_id: v.string(),
    membership: v.picklist(['invite', 'join']),
    already: v.boolean(),
  }),
  fields: { user: { help: 'the user ID: @name:server' }, room: { help: ROOM_HELP, placeholder: 'ROOM' }, ...SESSION_FIELDS },
  positionals: ['user'],
  examples: [
    {
      command: "bureau matrix user invite @iree-builder:bureau.local --room '#iree/builds:bureau.local'",
      shows: 'an agent let into a room',
    },
  ],
  async handler({ user, room, ...input }, context) {
    const { signal } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    const known = async (): Promise<'invite' | 'join' | undefined> => {
      const membership = (await session.client.state(roomId, 'm.room.member', user, { signal }))?.['membership'];
      return membership === 'join' || membership === 'invite' ? membership : undefined;
    };
    const before = await known();
    if (before !== undefined) return { user_id: user, room_id: roomId, membership: before, already: true };
    try {
      await session.client.invite(roomId, user, { signal });
    } catch (error) {
      // Somebody else may have let the user in just now; otherwise the refusal stands (a ban, no power).
      const now = hasCode(error, 'matrix_forbidden') ? await known() : undefined;
      if (now === undefined) throw error;
      return { user_id: user, room_id: roomId, membership: now, already: true };
    }
    return { user_id: user, room_id: roomId, membership: 'invite' as const, already: false };
  },
  render: ({ user_id, room_id, membership, already }) =>
    already ? `${user_id} is ${membership === 'join' ? 'in' : 'invited to'} ${room_id} already` : `Invited ${user_id} to ${room_id}`,
});
