// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { withAccount } from '../../matrix/account.ts';
import { eventId, matrixEvent, pageToken, queryInteger } from '../../matrix/schemas.ts';
import { PROXY_LIMITS } from '../../limits.ts';
import { Problem } from '../../problem.ts';
import { defineRoute } from '../../router.ts';

/** Events of one page when the agent does not say. */
const PAGE_DEFAULT = 50;

const query = v.strictObject({
  /** `next` of the page before. */
  from: v.optional(pageToken),
  /** `b`: from the newest backwards; `f`: from the oldest on. */
  dir: v.optional(v.picklist(['b', 'f']), 'b'),
  limit: v.optional(queryInteger(1, PROXY_LIMITS.pageEvents)),
});
const page = v.object({ events: v.array(matrixEvent), next: v.nullable(v.string()) });
const messages = v.object({ chunk: v.optional(v.array(matrixEvent), []), end: v.optional(v.string()) });
const relations = v.object({ chunk: v.optional(v.array(matrixEvent), []), next_batch: v.optional(v.string()) });

/** One page of what was said in a room. */
export const readMessages = defineRoute({
  method: 'GET',
  path: '/v1/matrix/rooms/{room}/messages',
  service: 'matrix',
  summary: 'Gives a page of the history of a room, newest first unless dir=f',
  grant: 'matrix/read',
  query,
  output: page,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const room = await account.permittedRoom('matrix/read', call.params['room'] ?? '');
      const { from, dir, limit = PAGE_DEFAULT } = call.query;
      const answer = await account.request(messages, {
        method: 'GET',
        path: ['rooms', room, 'messages'],
        query: { from, dir, limit },
        idempotent: true,
      });
      return { status: 200, body: { events: answer.chunk, next: answer.end ?? null } };
    }),
});

/** One page of a thread, without the event that began it. */
export const readThread = defineRoute({
  method: 'GET',
  path: '/v1/matrix/rooms/{room}/threads/{event}/messages',
  service: 'matrix',
  summary: 'Gives a page of the answers in a thread, newest first unless dir=f',
  grant: 'matrix/read',
  query,
  output: page,
  handle: (call, services) => {
    const root = call.params['event'] ?? '';
    if (!v.is(eventId, root)) throw new Problem(400, 'invalid_event', 'Expected an event ID ("$…"), percent-encoded, behind "threads/".');
    return withAccount(call, services, async (account) => {
      const room = await account.permittedRoom('matrix/read', call.params['room'] ?? '');
      const { from, dir, limit = PAGE_DEFAULT } = call.query;
      const answer = await account.request(relations, {
        method: 'GET',
        version: 'v1',
        path: ['rooms', room, 'relations', root, 'm.thread'],
        query: { from, dir, limit },
        idempotent: true,
      });
      return { status: 200, body: { events: answer.chunk, next: answer.next_batch ?? null } };
    });
  },
});
