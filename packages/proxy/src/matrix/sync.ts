// SPDX-License-Identifier: Apache-2.0
import { parseRoomId } from '@bureau/core';
import * as v from 'valibot';
import type { MatrixAccount } from './account.ts';
import { matrixEvent, pageToken } from './schemas.ts';

const eventList = v.optional(v.object({ events: v.optional(v.array(matrixEvent), []) }), { events: [] });
const byRoom = <Schema extends v.GenericSchema>(room: Schema) => v.optional(v.record(v.string(), room), {});

/** What the proxy reads of a `/sync`. https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3sync */
const syncAnswer = v.object({
  next_batch: pageToken,
  rooms: v.optional(
    v.object({
      join: byRoom(
        v.object({
          timeline: v.optional(
            v.object({
              events: v.optional(v.array(matrixEvent), []),
              limited: v.optional(v.boolean(), false),
              prev_batch: v.optional(v.string()),
            }),
            { events: [], limited: false },
          ),
          state: eventList,
        }),
      ),
      invite: byRoom(v.object({ invite_state: eventList })),
      leave: byRoom(v.object({})),
    }),
    { join: {}, invite: {}, leave: {} },
  ),
});

/** One room of a batch. */
export interface RoomBatch {
  readonly room_id: string;
  readonly state: readonly v.InferOutput<typeof matrixEvent>[];
  readonly timeline: readonly v.InferOutput<typeof matrixEvent>[];
  /** There is more between the batch before and this timeline: `GET …/messages?from=<gap>` gives it. */
  readonly gap: string | null;
}

/** What has happened since a position. */
export interface Batch {
  /** The position after it. */
  readonly next: string;
  readonly rooms: readonly RoomBatch[];
  readonly invites: readonly { readonly room_id: string; readonly inviter: string | null }[];
  readonly left: readonly string[];
}

/** Leaves out what an agent has no use for, and bounds what a batch holds. */
const FILTER = JSON.stringify({
  presence: { types: [] },
  account_data: { types: [] },
  room: { ephemeral: { types: [] }, account_data: { types: [] }, timeline: { limit: 50 }, state: { lazy_load_members: true } },
});
/** The same without events: where a stream begins that has no position yet. */
const POSITION_FILTER = JSON.stringify({
  presence: { types: [] },
  account_data: { types: [] },
  room: { rooms: [] },
});

/** Waits at most `milliseconds` for something new since `since`; without `since`, gives all rooms at once as they are. */
export async function nextBatch(account: MatrixAccount, since: string | undefined, milliseconds: number): Promise<Batch> {
  const answer = await account.request(syncAnswer, {
    method: 'GET',
    path: ['sync'],
    query: { since, timeout: since === undefined ? 0 : milliseconds, filter: FILTER, set_presence: 'offline' },
    idempotent: true,
    longPoll: true,
  });
  const rooms: RoomBatch[] = [];
  for (const [id, { timeline, state }] of Object.entries(answer.rooms.join)) {
    if (!(await account.mayOn('matrix/read', parseRoomId(id)))) continue;
    const gap = timeline.limited ? (timeline.prev_batch ?? null) : null;
    rooms.push({ room_id: id, state: state.events, timeline: timeline.events, gap });
  }
  const invites = Object.entries(answer.rooms.invite).map(
    ([
      id,
      {
        invite_state: { events },
      },
    ]) => ({
      room_id: id,
      inviter: inviterOf(events, account.userId),
    }),
  );
  return { next: answer.next_batch, rooms, invites, left: Object.keys(answer.rooms.leave) };
}

/** The position of now, without what came before. */
export async function positionNow(account: MatrixAccount): Promise<string> {
  const answer = await account.request(syncAnswer, {
    method: 'GET',
    path: ['sync'],
    query: { timeout: 0, filter: POSITION_FILTER, set_presence: 'offline' },
    idempotent: true,
    longPoll: true,
  });
  return answer.next_batch;
}

function inviterOf(events: readonly v.InferOutput<typeof matrixEvent>[], user: string): string | null {
  const invitation = events.find((event) => event.type === 'm.room.member' && event['state_key'] === user);
  return typeof invitation?.['sender'] === 'string' ? invitation['sender'] : null;
}
