// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { listMembers, memberList, renderMembers } from './member-list.ts';
import { ROOM_HELP, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS } from './session.ts';

/** `bureau matrix room members`. */
export const matrixRoomMembers: AnyOperation = defineOperation({
  name: 'matrix room members',
  summary: 'List who is in a room',
  grant: 'matrix/room/members',
  input: v.strictObject({ room: roomArgument, ...SESSION_ENTRIES }),
  output: memberList,
  fields: { room: { help: ROOM_HELP }, ...SESSION_FIELDS },
  positionals: ['room'],
  examples: [
    {
      command: "bureau matrix room members '#iree/amdgpu/general:bureau.local'",
      shows: 'everybody who is in or invited, with the membership',
    },
  ],
  handler: ({ room, ...session }, context) => listMembers(room, session, context),
  render: renderMembers,
});
