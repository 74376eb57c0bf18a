// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode, type RoomId } from '@bureau/core';
import type { MessagesPage } from '@bureau/matrix';
import { integer } from '@bureau/protocol';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { contentText, showEvent, shownEvent, timeOf, typeOf } from './event-shape.ts';
import { eventId } from './event-type.ts';
import { ROOM_HELP, notInRoom, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession, type Session } from './session.ts';
import { textTable } from './text-table.ts';

/** Events of one page: what servers give at most. */
const LIMIT_MAX = 1_000;

/** `bureau matrix messages`. */
export const matrixMessages: AnyOperation = defineOperation({
  name: 'matrix messages',
  summary: 'Show a page of a room’s events',
  description:
    'The newest first; "--direction forward" begins with the oldest. Prints the token that "--from" takes for the next page; without one there are no more. With --thread only what hangs on that event, and the event itself where the thread begins.',
  grant: 'matrix/messages',
  input: v.strictObject({
    room: roomArgument,
    limit: v.optional(integer(1, LIMIT_MAX), 50),
    from: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1_000))),
    direction: v.optional(v.picklist(['backward', 'forward'], 'expected "backward" or "forward"'), 'backward'),
    thread: v.optional(eventId),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ start: v.optional(v.string()), end: v.optional(v.string()), events: v.array(shownEvent) }),
  fields: {
    room: { help: ROOM_HELP },
    limit: { help: `events at most, 1 to ${LIMIT_MAX}; default 50`, placeholder: 'N' },
    from: { help: 'where to go on: what an earlier page printed', placeholder: 'TOKEN' },
    direction: { help: 'backward (default) or forward', placeholder: 'WAY' },
    thread: { help: 'the event that the thread hangs on', placeholder: 'EVENT' },
    ...SESSION_FIELDS,
  },
  positionals: ['room'],
  examples: [{ command: "bureau matrix messages '#bureau/agents:bureau.local' --limit 10", shows: 'the ten newest events' }],
  async handler({ room, limit, from, direction, thread, ...input }, context) {
    const { signal } = context;
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, signal);
    const query = { limit, direction, ...(from === undefined ? {} : { from }) };
    try {
      const page =
        thread === undefined
          ? await session.client.messages(roomId, query, { signal })
          : await threadPage(session, roomId, thread, query, signal);
      const { start, end, events } = page;
      return {
        ...(start === undefined ? {} : { start }),
        ...(end === undefined ? {} : { end }),
        events: events.map(showEvent),
      };
    } catch (error) {
      if (hasCode(error, 'matrix_forbidden')) throw notInRoom(session, roomId, error);
      throw error;
    }
  },
  render: ({ events, end }) =>
    [
      textTable(
        ['TIMESTAMP', 'SENDER', 'TYPE', 'CONTENT'],
        events.map((event) => [
          timeOf(event.origin_server_ts),
          event.sender,
          typeOf(event.type, event.state_key),
          contentText(event.type, event.content),
        ]),
        'no events',
      ),
      ...(end === undefined ? [] : [`more: --from ${end}`]),
    ].join('\n'),
});

/** A page of a thread; the event that it hangs on stands where the thread begins. */
async function threadPage(
  { client }: Session,
  room: RoomId,
  thread: string,
  query: { readonly from?: string; readonly limit: number; readonly direction: 'backward' | 'forward' },
  signal: AbortSignal,
): Promise<MessagesPage> {
  const root = await client.event(room, thread, { signal });
  if (root === undefined)
    throw new BureauError('not_found', `There is no event ${thread} in ${room}, or it may not be seen`, { data: { event: thread } });
  const page = await client.threadMessages(room, thread, query, { signal });
  if (query.direction === 'forward') return query.from === undefined ? { ...page, events: [root, ...page.events] } : page;
  return page.end === undefined ? { ...page, events: [...page.events, root] } : page;
}
