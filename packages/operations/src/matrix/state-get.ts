// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, hasCode } from '@bureau/core';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { eventType, stateKey } from './event-type.ts';
import { printableJson } from './printable.ts';
import { ROOM_HELP, notInRoom, readRoomState, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';

const wholeState = v.array(
  v.strictObject({
    type: v.string(),
    state_key: v.string(),
    sender: v.string(),
    event_id: v.optional(v.string()),
    content: v.record(v.string(), v.unknown()),
  }),
);

/** `bureau matrix state get`. */
export const matrixStateGet: AnyOperation = defineOperation({
  name: 'matrix state get',
  summary: 'Print the content of a state event, or the whole state of a room',
  description:
    'Always JSON: with a type one content, without one an array of events. A state event that is not there: not_found, exit code 1.',
  grant: 'matrix/state/get',
  input: v.strictObject({ room: roomArgument, type: v.optional(eventType), key: v.optional(stateKey), ...SESSION_ENTRIES }),
  output: v.union([wholeState, v.record(v.string(), v.unknown())]),
  fields: {
    room: { help: ROOM_HELP },
    type: { help: 'the event type; without it all state' },
    key: { help: 'the state key; default: the empty one', placeholder: 'KEY' },
    ...SESSION_FIELDS,
  },
  positionals: ['room', 'type'],
  examples: [
    { command: "bureau matrix state get '#bureau/machine:bureau.local' m.room.power_levels | jq .", shows: 'the power levels of a room' },
    { command: "bureau matrix state get --key test/echo '#bureau/service:bureau.local' m.bureau.service", shows: 'one service' },
  ],
  async handler({ room, type, key, ...input }, context) {
    if (type === undefined && key !== undefined) throw new UsageError('invalid_input', 'Expected an event type beside --key');
    const { signal } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    if (type === undefined)
      return (await readRoomState(session, roomId, signal)).map(({ type: each, state_key, sender, event_id, content }) => ({
        type: each,
        state_key,
        sender,
        ...(event_id === undefined ? {} : { event_id }),
        content,
      }));
    let content: Readonly<Record<string, unknown>> | undefined;
    try {
      content = await session.client.state(roomId, type, key ?? '', { signal });
    } catch (error) {
      if (hasCode(error, 'matrix_forbidden')) throw notInRoom(session, roomId, error);
      throw error;
    }
    if (content !== undefined) return { ...content };
    throw new BureauError('not_found', `There is no ${type} with the state key ${JSON.stringify(key ?? '')} in ${roomId}`, {
      data: { room: roomId, type, key: key ?? '' },
    });
  },
  render: (state) => printableJson(state, 2),
});
