// SPDX-License-Identifier: Apache-2.0
import type { EventStream } from '../event-stream.ts';
import { Problem } from '../problem.ts';
import type { RouteCall, RouteServices } from '../router.ts';
import { withAccount } from './account.ts';
import { pause } from './pause.ts';
import { nextBatch, positionNow, type Batch } from './sync.ts';

/**
 * Writes batches as they come, until the agent goes. Each poll takes the keys in use, so a rotation needs no new stream. A homeserver
 * that does not answer is asked again with growing pauses; the agent sees an event `offline` once, and `online` when it is back.
 * Only a refusal that waiting does not change (keys rejected or lapsed, not granted) ends the stream, after an event `end` with its code.
 *
 * The position is the `id` of the last event of each batch (`sync`) alone: who breaks off in the middle of a batch gets it again whole.
 */
export async function streamEvents(
  call: Pick<RouteCall<never>, 'signal' | 'trace'>,
  services: RouteServices,
  events: EventStream,
  since: string | undefined,
): Promise<void> {
  const { limits } = services;
  // Before the first byte a failure is an ordinary problem, which says more than a stream that ends.
  let position = since ?? (await withAccount(call, services, (account) => positionNow(account)));
  events.open();
  await events.send({ event: 'ready', id: position, data: { next: position } });
  let wait = 0;
  while (!call.signal().aborted) {
    try {
      const batch = await withAccount(call, services, (account) => nextBatch(account, position, limits.syncMilliseconds));
      if (wait > 0) await events.send({ event: 'online', data: {} });
      wait = 0;
      await writeBatch(events, batch);
      position = batch.next;
    } catch (error) {
      if (call.signal().aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (isFinal(error)) return events.send({ event: 'end', data: { code: error.code, detail: error.message } });
      if (wait === 0) await events.send({ event: 'offline', data: { code: error.code, detail: error.message } });
      wait = Math.min(limits.streamRetryMostMilliseconds, wait === 0 ? limits.streamRetryMilliseconds : wait * 2);
      await pause(services.clock, Math.max(wait, askedPause(error)), call.signal());
    }
  }
}

async function writeBatch(events: EventStream, batch: Batch): Promise<void> {
  for (const { room_id, state, timeline, gap } of batch.rooms) {
    if (gap !== null) await events.send({ event: 'gap', data: { room_id, from: gap } });
    for (const event of state) await events.send({ event: 'state', data: { room_id, event } });
    for (const event of timeline) await events.send({ event: 'timeline', data: { room_id, event } });
  }
  for (const invite of batch.invites) await events.send({ event: 'invite', data: invite });
  for (const room_id of batch.left) await events.send({ event: 'leave', data: { room_id } });
  await events.send({ event: 'sync', id: batch.next, data: { next: batch.next } });
}

function isFinal({ code, status }: Problem): boolean {
  return code === 'credentials_rejected' || code === 'matrix_refused' || (status === 403 && code !== 'matrix_forbidden');
}

function askedPause({ extensions }: Problem): number {
  const milliseconds = extensions['retry_after_ms'];
  return typeof milliseconds === 'number' ? milliseconds : 0;
}
