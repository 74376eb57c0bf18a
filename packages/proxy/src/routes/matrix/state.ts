// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { withAccount } from '../../matrix/account.ts';
import { eventId, eventType, matrixEvent } from '../../matrix/schemas.ts';
import { checkSize } from '../../matrix/sending.ts';
import { Problem } from '../../problem.ts';
import { defineRoute } from '../../router.ts';

const content = v.record(v.string(), v.unknown());
const key = v.strictObject({ key: v.optional(v.pipe(v.string(), v.maxLength(255, 'expected at most 255 characters')), '') });

/** All state of a room, as events. */
export const readAllState = defineRoute({
  method: 'GET',
  path: '/v1/matrix/rooms/{room}/state',
  service: 'matrix',
  summary: 'Gives all state events of a room',
  grant: 'matrix/read',
  output: v.object({ events: v.array(matrixEvent) }),
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const id = await account.permittedRoom('matrix/read', call.params['room'] ?? '');
      const events = await account.request(v.array(matrixEvent), { method: 'GET', path: ['rooms', id, 'state'], idempotent: true });
      return { status: 200, body: { events } };
    }),
});

/** The content of one state event. */
export const readState = defineRoute({
  method: 'GET',
  path: '/v1/matrix/rooms/{room}/state/{type}',
  service: 'matrix',
  summary: 'Gives the content of one state event; ?key= names its state key',
  grant: 'matrix/read',
  query: key,
  output: v.object({ content }),
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const type = typeOf(call.params['type'] ?? '');
      const id = await account.permittedRoom('matrix/read', call.params['room'] ?? '');
      const found = await account.request(content, { method: 'GET', path: ['rooms', id, 'state', type, call.query.key], idempotent: true });
      return { status: 200, body: { content: found } };
    }),
});

/** Writes one state event, in its turn among what is sent to the room. What is there already is not written again by the homeserver. */
export const writeState = defineRoute({
  method: 'PUT',
  path: '/v1/matrix/rooms/{room}/state/{type}',
  service: 'matrix',
  summary: 'Writes one state event; ?key= names its state key, the body is its content',
  grant: 'matrix/state',
  query: key,
  body: content,
  output: v.object({ event_id: eventId }),
  handle: async (call, services) => {
    const type = typeOf(call.params['type'] ?? '');
    checkSize(call.body, services);
    const id = await withAccount(call, services, (account) => account.permittedRoom('matrix/state', call.params['room'] ?? ''));
    const written = await services.rooms.run(id, call.signal(), () =>
      withAccount(call, services, (account) =>
        account.request(v.object({ event_id: eventId }), {
          method: 'PUT',
          path: ['rooms', id, 'state', type, call.query.key],
          body: call.body,
          idempotent: true,
        }),
      ),
    );
    return { status: 200, body: { event_id: written.event_id } };
  },
});

function typeOf(text: string): string {
  if (v.is(eventType, text)) return text;
  throw new Problem(400, 'invalid_event_type', 'Expected an event type such as "m.room.topic", percent-encoded, behind "state/".');
}
