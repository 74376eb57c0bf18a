// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { listMembers, memberList, renderMembers } from './member-list.ts';
import { ROOM_HELP, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS } from './session.ts';

/** `bureau matrix space members`. */
export const matrixSpaceMembers: AnyOperation = defineOperation({
  name: 'matrix space members',
  summary: 'List who is in a space',
  grant: 'matrix/space/members',
  input: v.strictObject({ space: roomArgument, ...SESSION_ENTRIES }),
  output: memberList,
  fields: { space: { help: ROOM_HELP.replace('room', 'space') }, ...SESSION_FIELDS },
  positionals: ['space'],
  examples: [
    { command: "bureau matrix space members '#bureau:bureau.local'", shows: 'everybody who is in or invited, with the membership' },
  ],
  handler: ({ space, ...session }, context) => listMembers(space, session, context),
  render: renderMembers,
});
