// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { DELETE_DESCRIPTION, deleteRoom, deletedRoom, renderDeleted } from './delete-room.ts';
import { ROOM_HELP, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS } from './session.ts';

/** `bureau matrix space delete`. */
export const matrixSpaceDelete: AnyOperation = defineOperation({
  name: 'matrix space delete',
  summary: 'Leave a space, remove its aliases and take it out of its spaces',
  description: `${DELETE_DESCRIPTION} The rooms below a space stay as they are.`,
  grant: 'matrix/space/delete',
  input: v.strictObject({ space: roomArgument, ...SESSION_ENTRIES }),
  output: deletedRoom,
  fields: { space: { help: ROOM_HELP.replace('room', 'space') }, ...SESSION_FIELDS },
  positionals: ['space'],
  examples: [
    { command: "bureau matrix space delete '#iree/old:bureau.local'", shows: 'what was removed, and how many others are still in' },
  ],
  handler: ({ space, ...session }, context) => deleteRoom({ room: space, space: true }, session, context),
  render: renderDeleted,
});
