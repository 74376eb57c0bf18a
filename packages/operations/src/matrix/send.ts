// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError } from '@bureau/core';
import { newTransactionId, type Content } from '@bureau/matrix';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { parseContent } from './event-content.ts';
import { eventId, eventType } from './event-type.ts';
import { ROOM_HELP, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';

/** `bureau matrix send`. */
export const matrixSend: AnyOperation = defineOperation({
  name: 'matrix send',
  summary: 'Send a message, or any event, to a room',
  description:
    'Either a text, or with --content any JSON object. A text that begins with "-" has to go by --content. The answer is the event’s ID.',
  grant: 'matrix/send',
  input: v.strictObject({
    room: roomArgument,
    message: v.optional(v.pipe(v.string(), v.minLength(1, 'expected a text'))),
    content: v.optional(v.string()),
    event_type: v.optional(eventType, 'm.room.message'),
    thread: v.optional(eventId),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ event_id: v.string(), room_id: v.string() }),
  fields: {
    room: { help: ROOM_HELP },
    message: { help: 'the text' },
    content: { help: 'the whole content instead of a text', placeholder: 'JSON' },
    event_type: { help: 'default: m.room.message', placeholder: 'TYPE' },
    thread: { help: 'the event that the thread hangs on', placeholder: 'EVENT' },
    ...SESSION_FIELDS,
  },
  positionals: ['room', 'message'],
  examples: [
    { command: 'bureau matrix send \'#bureau/system:bureau.local\' "Bureau deployment complete."', shows: 'the event ID of the message' },
    {
      command:
        'bureau matrix send \'#iree/builds:bureau.local\' --event-type m.bureau.build_result --content \'{"passed": 12, "failed": 0}\'',
      shows: 'an event of any type with any content',
    },
  ],
  async handler({ room, message, content, event_type: type, thread, ...input }, context) {
    const body = withThread(bodyOf(message, content), thread);
    const { signal } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    // A server takes a reply to nothing, and nobody would ever see it.
    if (thread !== undefined && (await session.client.event(roomId, thread, { signal })) === undefined)
      throw new BureauError('not_found', `There is no event ${thread} in ${roomId}, or it may not be seen`, { data: { event: thread } });
    const id = await session.client.send(roomId, type, body, newTransactionId(), { signal });
    return { event_id: id, room_id: roomId };
  },
  render: ({ event_id }) => event_id,
});

/** The content from a text or from JSON. Pure. Throws `invalid_input`, `invalid_content`. */
export function bodyOf(message: string | undefined, content: string | undefined): Content {
  if ((message === undefined) === (content === undefined))
    throw new UsageError('invalid_input', 'Expected either a text or --content JSON; see "bureau matrix send --help"');
  return content === undefined ? { msgtype: 'm.text', body: message } : parseContent(content);
}

/** The content as part of a thread; clients without threads show it as a reply. https://spec.matrix.org/v1.16/client-server-api/#threading Pure. */
export function withThread(content: Content, root: string | undefined): Content {
  if (root === undefined) return content;
  if (Object.hasOwn(content, 'm.relates_to'))
    throw new UsageError('invalid_input', 'Expected --thread or a content with "m.relates_to", not both');
  const relation = { rel_type: 'm.thread', event_id: root, is_falling_back: true, 'm.in_reply_to': { event_id: root } };
  return { ...content, 'm.relates_to': relation };
}
