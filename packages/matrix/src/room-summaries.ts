// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import * as v from 'valibot';
import type { MatrixClient } from './client.ts';
import type { CallOptions } from './http.ts';
import { contentOf, roomOrigin } from './room-state.ts';
import { NOTHING, roomsOnly } from './sync-filter.ts';
import { readAnswer, roomIdSchema, stateEvent, type StateEvent } from './schemas.ts';

/** A room in one line. Name, alias and topic are what its members wrote: untrusted text. */
export interface RoomSummary {
  readonly roomId: RoomId;
  readonly alias?: string;
  readonly name?: string;
  readonly topic?: string;
  readonly space: boolean;
}

const TYPES = ['m.room.create', 'm.room.canonical_alias', 'm.room.name', 'm.room.topic'];
/** Of everything that a sync can bring, these four types; the newest of them may be in the timeline. */
const ROOM_FILTER = { account_data: NOTHING, ephemeral: NOTHING, state: { types: TYPES }, timeline: { types: TYPES, limit: 1 } };
const events = v.optional(v.object({ events: v.optional(v.array(v.looseObject({ state_key: v.optional(v.string()) })), []) }), {});
const joinedRooms = v.object({
  rooms: v.optional(
    v.object({ join: v.optional(v.array(v.tuple([roomIdSchema, v.object({ state: events, timeline: events })])), []) }),
    {},
  ),
});

/** Every room that we are in, ordered by alias; one request. */
export async function roomSummaries(client: MatrixClient, options: CallOptions = {}): Promise<readonly RoomSummary[]> {
  const answer = await client.sync({ filter: { ...roomsOnly(), room: ROOM_FILTER } }, options);
  const rooms = record(record(answer['rooms'])['join']);
  const parsed = readAnswer(joinedRooms, { rooms: { join: Object.entries(rooms) } }, 'sync');
  return (parsed.rooms.join ?? [])
    .map(([roomId, { state, timeline }]) => summaryOf(roomId, stateOf([...state.events, ...timeline.events])))
    .toSorted((a, b) => compare(a.alias ?? `~${a.roomId}`, b.alias ?? `~${b.roomId}`));
}

/** A room's line from its state. Pure. */
export function summaryOf(roomId: RoomId, state: readonly StateEvent[]): RoomSummary {
  return {
    roomId,
    ...field('alias', contentOf(state, 'm.room.canonical_alias')?.['alias']),
    ...field('name', contentOf(state, 'm.room.name')?.['name']),
    ...field('topic', contentOf(state, 'm.room.topic')?.['topic']),
    space: roomOrigin(state)?.space ?? false,
  };
}

/** State events, of several with one key the last. */
function stateOf(all: readonly Readonly<Record<string, unknown>>[]): StateEvent[] {
  const latest = new Map<string, StateEvent>();
  for (const event of all) {
    const parsed = v.safeParse(stateEvent, event);
    if (parsed.success) latest.set(`${parsed.output.type}\0${parsed.output.state_key}`, parsed.output);
  }
  return [...latest.values()];
}

function field<Name extends string>(name: Name, value: unknown): { readonly [Key in Name]?: string } {
  return (typeof value === 'string' && value !== '' ? { [name]: value } : {}) as { readonly [Key in Name]?: string };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
