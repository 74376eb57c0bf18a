// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { eventType } from './event-type.ts';
import { inspectedRoom, inspectState } from './inspect-room.ts';
import { renderInspected } from './inspect-text.ts';
import { ROOM_HELP, readRoomState, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';

/** `bureau matrix inspect`. */
export const matrixInspect: AnyOperation = defineOperation({
  name: 'matrix inspect',
  summary: 'Show all about a room: members, power levels, state by kind',
  grant: 'matrix/inspect',
  input: v.strictObject({ room: roomArgument, type: v.optional(eventType), ...SESSION_ENTRIES }),
  output: inspectedRoom,
  fields: {
    room: { help: ROOM_HELP },
    type: { help: 'only state events of this type, "*" for any characters', placeholder: 'PATTERN' },
    ...SESSION_FIELDS,
  },
  positionals: ['room'],
  examples: [{ command: "bureau matrix inspect '#bureau/machine:bureau.local' --type 'm.bureau.*'", shows: 'the keys of the machines' }],
  async handler({ room, type, ...input }, context) {
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, context.signal);
    return inspectState(roomId, await readRoomState(session, roomId, context.signal), type);
  },
  render: renderInspected,
});
