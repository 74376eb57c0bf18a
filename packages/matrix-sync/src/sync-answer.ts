// SPDX-License-Identifier: Apache-2.0
import { BureauError, parseRoomId, type RoomId } from '@bureau/core';
import { claimsState, eventIdOf, isRecord, readStateEvent, readTimelineEvent } from './room-event.ts';
import type { Judged, RefusedEvent, StateEvent, TimelineEvent } from './room-event.ts';

/** What one sync says of one room. */
export interface RoomNews {
  readonly room: RoomId;
  /** State events, older ones first; what comes later stands. */
  readonly state: readonly StateEvent[];
  /** The server said the state as it is after the timeline (MSC4222), which no fork of the room can make older than it is. */
  readonly exact: boolean;
  readonly timeline: readonly TimelineEvent[];
  /** There is a gap before the timeline, which goes back from here. */
  readonly gapFrom: string | undefined;
}

export interface Invitation {
  readonly room: RoomId;
  /** Who sent it; `undefined` when the answer does not say. */
  readonly from: string | undefined;
}

/** One answer to `/sync`, judged member by member. */
export interface SyncNews {
  readonly position: string;
  readonly rooms: readonly RoomNews[];
  readonly left: readonly RoomId[];
  readonly invitations: readonly Invitation[];
  /** What could not be read; everything else was. */
  readonly refused: readonly RefusedEvent[];
}

/** Reads an answer to `/sync` as `user`. Throws `homeserver_garbled` when it is none at all; a member that is wrong is refused alone. */
export function readSyncAnswer(body: unknown, user: string): SyncNews {
  const position = isRecord(body) ? body['next_batch'] : undefined;
  if (!isRecord(body) || typeof position !== 'string' || position === '' || position.length > 10_000)
    throw garbled('an object with "next_batch"');
  const rooms = sectionOf(body, 'rooms');
  const refused: RefusedEvent[] = [];
  const note = (room: string, reason: string, value?: unknown): void =>
    void refused.push({ room: room.slice(0, 255), eventId: eventIdOf(value), reason });
  return {
    position,
    rooms: entriesOf(rooms, 'join', note).map(([room, value]) => readRoom(room, value, note)),
    left: entriesOf(rooms, 'leave', note).map(([room]) => room),
    invitations: entriesOf(rooms, 'invite', note).map(([room, value]) => ({ room, from: inviterOf(value, user) })),
    refused,
  };
}

/** Reads an answer to `/rooms/{room}/state`. Throws `homeserver_garbled` when it is no list. */
export function readStateAnswer(
  body: unknown,
  room: RoomId,
): { readonly state: readonly StateEvent[]; readonly refused: readonly RefusedEvent[] } {
  if (!Array.isArray(body)) throw garbled('a list of state events');
  const refused: RefusedEvent[] = [];
  const state = judged(body, readStateEvent, (reason, value) => void refused.push({ room, eventId: eventIdOf(value), reason }));
  return { state, refused };
}

/** Reads a page of `/rooms/{room}/messages`. Throws `homeserver_garbled` when it is none. */
export function readMessagesAnswer(
  body: unknown,
  room: RoomId,
): { readonly events: readonly TimelineEvent[]; readonly end: string | undefined; readonly refused: readonly RefusedEvent[] } {
  const chunk = isRecord(body) ? body['chunk'] : undefined;
  if (!isRecord(body) || !Array.isArray(chunk)) throw garbled('an object with "chunk"');
  const refused: RefusedEvent[] = [];
  const plain = chunk.filter((value) => !claimsState(value));
  const events = judged(plain, readTimelineEvent, (reason, value) => void refused.push({ room, eventId: eventIdOf(value), reason }));
  return { events, end: typeof body['end'] === 'string' ? body['end'] : undefined, refused };
}

type Note = (room: string, reason: string, value?: unknown) => void;

function readRoom(room: RoomId, value: unknown, note: Note): RoomNews {
  const refuse = (reason: string, event?: unknown): void => note(room, reason, event);
  const after = sectionOf(value, 'state_after') ?? sectionOf(value, 'org.matrix.msc4222.state_after');
  const timeline = sectionOf(value, 'timeline');
  const events = eventsOf(timeline, refuse);
  const state = judged(eventsOf(after ?? sectionOf(value, 'state'), refuse), readStateEvent, refuse);
  // Where the server does not say what came of them, the timeline's own state events are the newest that is known.
  if (after === undefined) state.push(...judged(events.filter(claimsState), readStateEvent, refuse));
  const plain = events.filter((event) => !claimsState(event));
  const from = timeline?.['limited'] === true ? timeline['prev_batch'] : undefined;
  return {
    room,
    state,
    exact: after !== undefined,
    timeline: judged(plain, readTimelineEvent, refuse),
    gapFrom: typeof from === 'string' ? from : undefined,
  };
}

function judged<Event>(
  values: readonly unknown[],
  read: (value: unknown) => Judged<Event>,
  refuse: (reason: string, value: unknown) => void,
): Event[] {
  const good: Event[] = [];
  for (const value of values) {
    const event = read(value);
    if (typeof event === 'string') refuse(event, value);
    else good.push(event);
  }
  return good;
}

function entriesOf(rooms: Readonly<Record<string, unknown>> | undefined, name: string, note: Note): [RoomId, unknown][] {
  return Object.entries(sectionOf(rooms, name) ?? {}).flatMap(([key, value]) => {
    try {
      return [[parseRoomId(key), value] as [RoomId, unknown]];
    } catch {
      note(key, 'its room has no room ID');
      return [];
    }
  });
}

function eventsOf(section: Readonly<Record<string, unknown>> | undefined, refuse: (reason: string) => void): readonly unknown[] {
  const events = section?.['events'] ?? [];
  if (Array.isArray(events)) return events;
  refuse('a list of events is none');
  return [];
}

function sectionOf(value: unknown, name: string): Readonly<Record<string, unknown>> | undefined {
  const section = isRecord(value) ? value[name] : undefined;
  return isRecord(section) ? section : undefined;
}

function inviterOf(value: unknown, user: string): string | undefined {
  const events = sectionOf(value, 'invite_state')?.['events'];
  if (!Array.isArray(events)) return undefined;
  const mine: unknown = events.find(
    (event: unknown) => isRecord(event) && event['type'] === 'm.room.member' && event['state_key'] === user,
  );
  const sender = isRecord(mine) ? mine['sender'] : undefined;
  return typeof sender === 'string' ? sender.slice(0, 255) : undefined;
}

function garbled(expected: string): BureauError {
  return new BureauError(
    'homeserver_garbled',
    `Expected ${expected} from the homeserver, and got something else; is it a Matrix homeserver?`,
  );
}
