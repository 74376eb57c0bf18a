// SPDX-License-Identifier: Apache-2.0
import { localpart } from '@bureau/protocol';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { makeProjectRoom } from './make-room.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';

/** `bureau matrix space create`. */
export const matrixSpaceCreate: AnyOperation = defineOperation({
  name: 'matrix space create',
  summary: 'Make a space for the rooms of a project',
  description:
    'Invite-only; only operators may change it. Idempotent: a space of ours that is there is kept as it is, name and topic included. An alias that somebody else has taken is refused (matrix_alias_squatted).',
  grant: 'matrix/space/create',
  input: v.strictObject({
    alias: localpart,
    name: v.optional(v.pipe(v.string(), v.maxLength(255))),
    topic: v.optional(v.pipe(v.string(), v.maxLength(2_000))),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ room_id: v.string(), alias: v.string(), outcome: v.picklist(['made', 'kept']) }),
  fields: {
    alias: { help: 'the alias without "#" and server, such as iree' },
    name: { help: 'default: the alias', placeholder: 'TEXT' },
    topic: { help: 'what it is for', placeholder: 'TEXT' },
    ...SESSION_FIELDS,
  },
  positionals: ['alias'],
  examples: [
    { command: 'bureau matrix space create iree --name "IREE" --topic "IREE compiler infrastructure"', shows: 'the room ID of the space' },
  ],
  async handler({ alias, name, topic, ...input }, context) {
    const session = await openSession(input, context);
    const made = await makeProjectRoom(session, { alias, name, topic, space: true, memberStateEvents: [] }, context.signal);
    if (made.outcome === 'kept') context.progress(`kept: ${made.alias} is there`);
    return { room_id: made.roomId, alias: made.alias, outcome: made.outcome };
  },
  render: ({ room_id }) => room_id,
});
