// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import { childIsLinked, contentOf, powerOf, roomOrigin, summaryOf, type StateEvent } from '@bureau/matrix';
import * as v from 'valibot';
import { matchEventType } from './event-type.ts';

const levels = v.record(v.string(), v.number());
const group = v.strictObject({
  event_type: v.string(),
  events: v.array(v.strictObject({ state_key: v.string(), sender: v.string(), content: v.record(v.string(), v.unknown()) })),
});

/** A room with all its state, as JSON. */
export const inspectedRoom = v.strictObject({
  room_id: v.string(),
  alias: v.optional(v.string()),
  name: v.optional(v.string()),
  topic: v.optional(v.string()),
  room_version: v.optional(v.string()),
  room_type: v.optional(v.string()),
  creator: v.optional(v.string()),
  /** Who is in; `members` lists the invited and banned as well. */
  member_count: v.number(),
  members: v.array(
    v.strictObject({
      user_id: v.string(),
      display_name: v.optional(v.string()),
      membership: v.string(),
      /** Creators have "unlimited" from room version 12 on. */
      power_level: v.union([v.number(), v.literal('unlimited')]),
    }),
  ),
  power_levels: v.optional(
    v.strictObject({
      users_default: v.number(),
      events_default: v.number(),
      state_default: v.number(),
      ban: v.number(),
      kick: v.number(),
      invite: v.number(),
      redact: v.number(),
      users: levels,
      events: levels,
    }),
  ),
  space_children: v.optional(v.array(v.string())),
  space_parents: v.optional(v.array(v.string())),
  bureau_state: v.optional(v.array(group)),
  matrix_state: v.optional(v.array(group)),
  other_state: v.optional(v.array(group)),
});
export type InspectedRoom = v.InferOutput<typeof inspectedRoom>;
type Group = v.InferOutput<typeof group>;

/** Told in fields of their own. */
const TOLD = new Set(['m.room.member', 'm.room.power_levels', 'm.space.child', 'm.space.parent']);

/** A room from its state; `pattern` selects the state events of the groups. Pure. */
export function inspectState(room: RoomId, state: readonly StateEvent[], pattern: string | undefined): InspectedRoom {
  const origin = roomOrigin(state);
  const { alias, name, topic } = summaryOf(room, state);
  const type = contentOf(state, 'm.room.create')?.['type'];
  const members = membersOf(state);
  const rest = state.filter((event) => (pattern === undefined ? !TOLD.has(event.type) : matchEventType(pattern, event.type)));
  const kinds = Object.groupBy(rest, ({ type: each }) =>
    each.startsWith('m.bureau.') ? 'bureau' : each.startsWith('m.') ? 'matrix' : 'other',
  );
  return {
    room_id: room,
    ...given('alias', alias),
    ...given('name', name),
    ...given('topic', topic),
    ...given('room_version', origin?.roomVersion),
    ...given('room_type', typeof type === 'string' ? type : undefined),
    ...given('creator', origin?.creator),
    member_count: members.filter(({ membership }) => membership === 'join').length,
    members,
    ...given('power_levels', levelsOf(state)),
    ...given('space_children', linked(state, 'm.space.child')),
    ...given('space_parents', linked(state, 'm.space.parent')),
    ...given('bureau_state', groups(kinds.bureau)),
    ...given('matrix_state', groups(kinds.matrix)),
    ...given('other_state', groups(kinds.other)),
  };
}

function membersOf(state: readonly StateEvent[]): InspectedRoom['members'] {
  return state
    .filter(({ type, content }) => type === 'm.room.member' && content['membership'] !== 'leave')
    .map(({ state_key, content }) => ({
      user_id: state_key,
      ...given('display_name', typeof content['displayname'] === 'string' ? content['displayname'] : undefined),
      membership: typeof content['membership'] === 'string' ? content['membership'] : '',
      power_level: powerOf(state, state_key),
    }))
    .toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1));
}

/** With the numbers that absent ones stand for. */
function levelsOf(state: readonly StateEvent[]): InspectedRoom['power_levels'] {
  const content = contentOf(state, 'm.room.power_levels');
  if (content === undefined) return undefined;
  const number = (name: string, absent: number): number => (typeof content[name] === 'number' ? content[name] : absent);
  return {
    users_default: number('users_default', 0),
    events_default: number('events_default', 0),
    state_default: number('state_default', 50),
    ban: number('ban', 50),
    kick: number('kick', 50),
    invite: number('invite', 0),
    redact: number('redact', 50),
    users: numbers(content['users']),
    events: numbers(content['events']),
  };
}

function numbers(value: unknown): Record<string, number> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value as Record<string, unknown>) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
}

function linked(state: readonly StateEvent[], type: string): string[] | undefined {
  const found = state.filter((event) => event.type === type && childIsLinked(event.content)).map((event) => event.state_key);
  return found.length === 0 ? undefined : found.toSorted();
}

function groups(events: readonly StateEvent[] | undefined): Group[] | undefined {
  if (events === undefined) return undefined;
  const byType = Map.groupBy(events, ({ type }) => type);
  return [...byType.keys()].toSorted().map((type) => ({
    event_type: type,
    events: (byType.get(type) ?? [])
      .map(({ state_key, sender, content }) => ({ state_key, sender, content }))
      .toSorted((a, b) => (a.state_key < b.state_key ? -1 : 1)),
  }));
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value };
}
