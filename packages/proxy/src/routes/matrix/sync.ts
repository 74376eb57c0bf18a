// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { PROXY_LIMITS } from '../../limits.ts';
import { withAccount } from '../../matrix/account.ts';
import { matrixEvent, pageToken, queryInteger } from '../../matrix/schemas.ts';
import { streamEvents } from '../../matrix/stream.ts';
import { nextBatch } from '../../matrix/sync.ts';
import { Problem } from '../../problem.ts';
import { defineRoute } from '../../router.ts';

const batch = v.object({
  next: v.string(),
  rooms: v.array(
    v.object({ room_id: v.string(), state: v.array(matrixEvent), timeline: v.array(matrixEvent), gap: v.nullable(v.string()) }),
  ),
  invites: v.array(v.object({ room_id: v.string(), inviter: v.nullable(v.string()) })),
  left: v.array(v.string()),
});

/** Long poll: answers at once when there is something new since `since`, else after `timeout` milliseconds with an empty batch. */
export const sync = defineRoute({
  method: 'GET',
  path: '/v1/matrix/sync',
  service: 'matrix',
  summary: 'Waits for what happens in the rooms of the principal; ?since= is the "next" of the answer before',
  grant: 'matrix/read',
  query: v.strictObject({
    since: v.optional(pageToken),
    timeout: v.optional(queryInteger(0, PROXY_LIMITS.syncMilliseconds)),
  }),
  output: batch,
  handle: (call, services) => {
    services.authorization.requireSomewhere('matrix/read');
    return withAccount(call, services, async (account) => {
      const { since, timeout = services.limits.syncMilliseconds } = call.query;
      return { status: 200, body: await nextBatch(account, since, timeout) };
    });
  },
});

/** The same without end, as server-sent events. `Last-Event-ID` (or `?since=`) resumes where a connection broke; else it begins now. */
export const eventStream = defineRoute({
  method: 'GET',
  path: '/v1/matrix/events',
  service: 'matrix',
  summary: 'Streams what happens in the rooms of the principal as server-sent events; resumes by Last-Event-ID',
  grant: 'matrix/read',
  query: v.strictObject({ since: v.optional(pageToken) }),
  handle: (call, services) => {
    services.authorization.requireSomewhere('matrix/read');
    const since = call.header('last-event-id') ?? call.query.since;
    if (since !== undefined && !v.is(pageToken, since))
      throw new Problem(400, 'invalid_position', 'Expected Last-Event-ID to be the id of an event of this stream.');
    return { stream: (events) => streamEvents(call, services, events, since) };
  },
});
