// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, hasCode, type RoomId } from '@bureau/core';
import { EVENTS, requireWritable } from '@bureau/protocol';
import * as v from 'valibot';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { CONTENT_MAX_BYTES, parseContent } from './event-content.ts';
import { eventType, stateKey } from './event-type.ts';
import { ROOM_HELP, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession, type Session } from './session.ts';

/** `bureau matrix state set`. */
export const matrixStateSet: AnyOperation = defineOperation({
  name: 'matrix state set',
  summary: 'Write a state event',
  description:
    'The content is a JSON object, as an argument or from stdin. It replaces what was there; the same content again changes nothing. An event of ours that a newer Bureau wrote is not written over.',
  grant: 'matrix/state/set',
  input: v.strictObject({
    room: roomArgument,
    type: eventType,
    content: v.optional(v.string()),
    key: v.optional(stateKey, ''),
    stdin: v.optional(v.boolean(), false),
    force: v.optional(v.boolean(), false),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ event_id: v.string(), room_id: v.string() }),
  fields: {
    room: { help: ROOM_HELP },
    type: { help: 'the event type' },
    content: { help: 'the content, a JSON object' },
    key: { help: 'the state key; default: the empty one', placeholder: 'KEY' },
    stdin: { help: 'read the content from stdin' },
    force: { help: 'write over what a newer Bureau wrote, too: what it said and this one does not know is lost' },
    ...SESSION_FIELDS,
  },
  positionals: ['room', 'type', 'content'],
  examples: [
    {
      command: 'bureau matrix state set --key test/echo \'#bureau/service:bureau.local\' m.bureau.service \'{"name": "echo"}\'',
      shows: 'the event ID',
    },
  ],
  async handler({ room, type, content, key, stdin, force, ...input }, context) {
    if ((content === undefined) !== stdin)
      throw new UsageError('invalid_input', 'Expected the content either as an argument or, with --stdin, on stdin');
    const value = parseContent(content ?? (await readAll(context)));
    const { signal } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    if (!force) await refuseNewer(session, roomId, type, key, signal);
    try {
      return { event_id: await session.client.setState(roomId, type, key, value, { signal }), room_id: roomId };
    } catch (error) {
      // Matrix lets nobody write what looks like somebody's own user ID; its refusal does not say so.
      if (hasCode(error, 'matrix_forbidden') && key.startsWith('@') && key !== session.user)
        throw new UsageError(
          'matrix_forbidden',
          `Only ${key} itself may write a state key that begins with "@"; leave the "@" out to speak of it`,
          {
            cause: error,
          },
        );
      throw error;
    }
  },
  render: ({ event_id }) => event_id,
});

/** Throws `event_newer` when what is there is of our types and of a version that this Bureau does not know. */
async function refuseNewer({ client }: Session, room: RoomId, type: string, key: string, signal: AbortSignal): Promise<void> {
  const definition = EVENTS.find((each) => each.type === type && each.stateKey !== 'none');
  if (definition === undefined) return;
  try {
    requireWritable(definition, await client.state(room, type, key, { signal }));
  } catch (error) {
    if (!(error instanceof BureauError) || error.code !== 'event_newer') throw error;
    throw new BureauError('event_newer', `${error.message}, or write over it all the same with --force`, {
      data: error.data,
      cause: error,
    });
  }
}

async function readAll({ input, signal }: OperationContext): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  const abort = (): void => void input.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    for await (const piece of input) {
      pieces.push(Buffer.from(piece as Buffer));
      size += pieces.at(-1)?.length ?? 0;
      if (size > CONTENT_MAX_BYTES) throw new UsageError('invalid_content', `Expected at most ${CONTENT_MAX_BYTES} bytes on stdin`);
    }
  } finally {
    signal.removeEventListener('abort', abort);
  }
  signal.throwIfAborted();
  return Buffer.concat(pieces).toString('utf8');
}
