// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { DELETE_DESCRIPTION, deleteRoom, deletedRoom, renderDeleted } from './delete-room.ts';
import { ROOM_HELP, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS } from './session.ts';

/** `bureau matrix room delete`. */
export const matrixRoomDelete: AnyOperation = defineOperation({
  name: 'matrix room delete',
  summary: 'Leave a room, remove its aliases and take it out of its spaces',
  description: DELETE_DESCRIPTION,
  grant: 'matrix/room/delete',
  input: v.strictObject({ room: roomArgument, ...SESSION_ENTRIES }),
  output: deletedRoom,
  fields: { room: { help: ROOM_HELP }, ...SESSION_FIELDS },
  positionals: ['room'],
  examples: [
    { command: "bureau matrix room delete '#iree/old:bureau.local'", shows: 'what was removed, and how many others are still in' },
  ],
  handler: ({ room, ...session }, context) => deleteRoom({ room: room, space: false }, session, context),
  render: renderDeleted,
});
