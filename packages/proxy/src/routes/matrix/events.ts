// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { eventId, eventType, transactionId } from '../../matrix/schemas.ts';
import { sendToRoom } from '../../matrix/sending.ts';
import { Problem } from '../../problem.ts';
import { defineRoute } from '../../router.ts';

const event = v.strictObject({
  type: eventType,
  content: v.record(v.string(), v.unknown()),
  transaction_id: v.optional(transactionId),
});

/** Sends an event of any type that is no message; redactions have a call of their own in Matrix, and none here. */
export const sendEvent = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms/{room}/events',
  service: 'matrix',
  summary: 'Sends an event without a state key to a room',
  grant: 'matrix/send',
  body: event,
  output: v.object({ event_id: eventId }),
  handle: async (call, services) => {
    const { type, content, transaction_id } = call.body;
    if (type === 'm.room.redaction')
      throw new Problem(400, 'invalid_field', 'Cannot use "type": a redaction is not sent as an event.', { extensions: { field: 'type' } });
    return { status: 200, body: { event_id: await sendToRoom(call, services, { type, content, transactionId: transaction_id }) } };
  },
});
