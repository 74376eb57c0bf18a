// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { anyUserId, eventId, transactionId, wellFormedText } from '../../matrix/schemas.ts';
import { sendToRoom } from '../../matrix/sending.ts';
import { defineRoute } from '../../router.ts';

const message = v.strictObject({
  body: wellFormedText,
  msgtype: v.optional(v.picklist(['m.text', 'm.notice', 'm.emote']), 'm.text'),
  /** HTML of the subset that Matrix allows; `body` stays the text for who shows none. */
  formatted_body: v.optional(wellFormedText),
  /** The event that began the thread which this belongs to. */
  thread: v.optional(eventId),
  /** The event that this answers. */
  reply_to: v.optional(eventId),
  /** Who is to be told. */
  mentions: v.optional(v.pipe(v.array(anyUserId), v.maxLength(50, 'expected at most 50 users'))),
  transaction_id: v.optional(transactionId),
});

/** Sends a message as the principal. The same `transaction_id` again sends nothing twice and gives the same event. */
export const sendMessage = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms/{room}/messages',
  service: 'matrix',
  summary: 'Sends a message to a room, named by ID or alias; also into a thread, or as an answer',
  grant: 'matrix/send',
  body: message,
  output: v.object({ event_id: eventId }),
  handle: async (call, services) => {
    const outgoing = { type: 'm.room.message', content: contentOf(call.body), transactionId: call.body.transaction_id };
    return { status: 200, body: { event_id: await sendToRoom(call, services, outgoing) } };
  },
});

/** https://spec.matrix.org/v1.16/client-server-api/#mroommessage, threading: #threading. */
function contentOf({ body, msgtype, formatted_body, thread, reply_to, mentions }: v.InferOutput<typeof message>): object {
  const relation = {
    ...(thread === undefined ? {} : { rel_type: 'm.thread', event_id: thread, is_falling_back: reply_to === undefined }),
    ...(reply_to === undefined && thread === undefined ? {} : { 'm.in_reply_to': { event_id: reply_to ?? thread } }),
  };
  return {
    msgtype,
    body,
    ...(formatted_body === undefined ? {} : { format: 'org.matrix.custom.html', formatted_body }),
    ...(mentions === undefined ? {} : { 'm.mentions': { user_ids: mentions } }),
    ...(Object.keys(relation).length === 0 ? {} : { 'm.relates_to': relation }),
  };
}
