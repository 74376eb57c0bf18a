// SPDX-License-Identifier: Apache-2.0
import { BureauError, sleep, type Clock, type RoomId } from '@bureau/core';
import * as v from 'valibot';
import type { Content } from './client-types.ts';
import type { MatrixClient } from './client.ts';
import { FOLLOW_GAP_MAX, FOLLOW_PAGE, FOLLOW_POLL_MS, FOLLOW_RETRY_FIRST_MS, FOLLOW_RETRY_MAX_MS } from './limits.ts';
import { NOTHING, roomsOnly } from './sync-filter.ts';
import { readAnswer, roomEvent, type RoomEvent, type SyncAnswer } from './schemas.ts';

export interface FollowOptions {
  /** Event types; `*` stands for any characters. Default: all. */
  readonly types?: readonly string[];
  /** How many earlier events come first. */
  readonly history?: number;
  readonly clock: Clock;
  /** Ends it, without an error. */
  readonly signal: AbortSignal;
  /** Told, in one line, when the homeserver cannot be reached and when events were skipped. */
  readonly onTrouble?: (line: string) => void;
}

const timeline = v.object({
  events: v.optional(v.array(roomEvent), []),
  limited: v.optional(v.boolean(), false),
  prev_batch: v.optional(v.string()),
});
const roomNews = v.object({ timeline: v.optional(timeline, {}) });

/**
 * The events of a room that we are in, in order, each once, as they come. A sync that fails is tried again with a growing pause from
 * where the last one ended; what came meanwhile is fetched, up to `FOLLOW_GAP_MAX` events. Ends when `signal` is aborted.
 * Throws `room_left` when we are not in the room (any more), and refusals that no waiting cures, such as `matrix_unknown_token`.
 */
export async function* followRoom(client: MatrixClient, room: RoomId, options: FollowOptions): AsyncGenerator<RoomEvent, void> {
  const { clock, signal, history = 0 } = options;
  const others = roomsOnly();
  const filterOf = (limit: number): Content => ({ ...others, room: roomFilter(room, options, limit) });
  let first: SyncAnswer;
  try {
    first = await client.sync({ filter: filterOf(Math.max(1, history)) }, { signal });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  const begun = newsOf(first, room);
  if (history > 0) yield* begun?.timeline.events ?? [];
  let since = first.next_batch;
  let failures = 0;
  const filter = filterOf(FOLLOW_PAGE);
  while (!signal.aborted) {
    let events: readonly RoomEvent[];
    try {
      const answer = await client.sync({ since, timeoutMilliseconds: FOLLOW_POLL_MS, filter }, { signal });
      const news = newsOf(answer, room);
      const gap = news?.timeline.limited === true ? await fillGap(client, room, news.timeline.prev_batch, since, options) : [];
      events = [...gap, ...(news?.timeline.events ?? [])];
      since = answer.next_batch;
      if (failures > 0) options.onTrouble?.('the homeserver answers again');
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (!passes(error)) throw error;
      const pause = Math.min(FOLLOW_RETRY_MAX_MS, FOLLOW_RETRY_FIRST_MS * 2 ** failures);
      failures += 1;
      options.onTrouble?.(`${error.message}; trying again in ${pause / 1_000} s`);
      try {
        await sleep(clock, pause, signal);
      } catch {
        return;
      }
      continue;
    }
    yield* events;
  }
}

function roomFilter(room: RoomId, { types }: FollowOptions, limit: number): Content {
  return {
    rooms: [room],
    // Without it a room that we were put out of is not mentioned.
    include_leave: true,
    account_data: NOTHING,
    ephemeral: NOTHING,
    state: NOTHING,
    timeline: { limit, ...(types === undefined ? {} : { types }) },
  };
}

function newsOf(answer: SyncAnswer, room: RoomId): v.InferOutput<typeof roomNews> | undefined {
  const rooms = record(answer['rooms']);
  if (Object.hasOwn(record(rooms['leave']), room))
    throw new BureauError('room_left', `The account that watches is not in ${room} (any more); have it invited`, { data: { room } });
  const news = record(rooms['join'])[room];
  return news === undefined ? undefined : readAnswer(roomNews, news, 'sync');
}

/** What came between two syncs and did not fit into the second, oldest first. */
async function fillGap(
  client: MatrixClient,
  room: RoomId,
  newest: string | undefined,
  since: string,
  { types, signal, onTrouble }: FollowOptions,
): Promise<readonly RoomEvent[]> {
  const found: RoomEvent[] = [];
  let from = newest;
  while (from !== undefined) {
    if (found.length >= FOLLOW_GAP_MAX) {
      onTrouble?.(`more than ${found.length} events came meanwhile; the older ones of them are not shown`);
      break;
    }
    const filter = types === undefined ? {} : { filter: { types } };
    const page = await client.messages(room, { from, to: since, direction: 'backward', limit: FOLLOW_PAGE, ...filter }, { signal });
    found.push(...page.events);
    from = page.end;
  }
  return found.toReversed();
}

/** Whether waiting may cure it: no connection, no time, a server that is overloaded or in its start. */
function passes(error: unknown): error is BureauError {
  if (!(error instanceof BureauError)) return false;
  const status = error.data['status'];
  return (
    ['matrix_unreachable', 'matrix_deadline_exceeded', 'matrix_response_malformed', 'matrix_limit_exceeded'].includes(error.code) ||
    (typeof status === 'number' && status >= 500)
  );
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
