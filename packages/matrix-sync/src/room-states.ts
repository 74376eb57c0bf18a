// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import { REPLACED_KEPT, STATE_EVENTS_MAX } from './limits.ts';
import type { KnownEvent } from './room-event.ts';

/** What `apply` and `replace` did. */
export interface StateChange<Event extends KnownEvent = KnownEvent> {
  /** Events that are new in their place. */
  readonly set: readonly Event[];
  /** Places that hold nothing any more. */
  readonly gone: readonly { readonly type: string; readonly stateKey: string }[];
  /** Events that had been replaced before, or are older than what stands: an old answer, or a room that forked. Not believed; the room is to be read. */
  readonly old: number;
  /** Events for which there is no room. */
  readonly tooMany: number;
}

type Places = Map<string, Map<string, KnownEvent>>;

/** The state of rooms in memory: room, type, state key. */
export class RoomStates {
  readonly #rooms = new Map<RoomId, Places>();
  readonly #replaced = new Set<string>();
  #size = 0;

  /** How many events are kept. */
  get size(): number {
    return this.#size;
  }

  rooms(): RoomId[] {
    return [...this.#rooms.keys()];
  }

  /** All state of a room. */
  events(room: RoomId): KnownEvent[] {
    return [...(this.#rooms.get(room)?.values() ?? [])].flatMap((keys) => [...keys.values()]);
  }

  /** All state of one type in a room; empty when nothing is known. */
  state(room: RoomId, type: string): KnownEvent[] {
    return [...(this.#rooms.get(room)?.get(type)?.values() ?? [])];
  }

  /** Whether an event stands in its place now. */
  stands(room: RoomId, eventId: string): boolean {
    const places = this.#rooms.get(room);
    if (places === undefined) return false;
    for (const keys of places.values()) for (const fact of keys.values()) if (fact.eventId === eventId) return true;
    return false;
  }

  /** Takes events as the newest of their places, one after the other. */
  apply<Event extends KnownEvent>(room: RoomId, events: readonly Event[]): StateChange<Event> {
    const set: Event[] = [];
    let [old, tooMany] = [0, 0];
    for (const event of events) {
      const before = this.#rooms.get(room)?.get(event.type)?.get(event.stateKey);
      if (before?.eventId === event.eventId) continue;
      if (this.#replaced.has(event.eventId) || (before !== undefined && event.at < before.at)) old += 1;
      else if (before === undefined && this.#size >= STATE_EVENTS_MAX) tooMany += 1;
      else {
        this.#put(room, event, before);
        set.push(event);
      }
    }
    return { set, gone: [], old, tooMany };
  }

  /** Takes events for all that there is in the room, of whatever was known of it before. */
  replace<Event extends KnownEvent>(room: RoomId, events: readonly Event[]): StateChange<Event> {
    const set: Event[] = [];
    let tooMany = 0;
    const there = new Map<string, Set<string>>();
    for (const event of events) {
      const keys = there.get(event.type) ?? new Set();
      there.set(event.type, keys.add(event.stateKey));
      const before = this.#rooms.get(room)?.get(event.type)?.get(event.stateKey);
      // A redaction takes the content away and leaves the event's id.
      if (before?.eventId === event.eventId && sameContent(before, event)) continue;
      if (before === undefined && this.#size >= STATE_EVENTS_MAX) {
        tooMany += 1;
        continue;
      }
      this.#replaced.delete(event.eventId);
      this.#put(room, event, before);
      set.push(event);
    }
    const gone: { type: string; stateKey: string }[] = [];
    for (const [type, keys] of this.#rooms.get(room) ?? [])
      for (const [stateKey, fact] of keys) {
        if (there.get(type)?.has(stateKey) === true) continue;
        keys.delete(stateKey);
        this.#size -= 1;
        this.#forgetEvent(fact.eventId);
        gone.push({ type, stateKey });
      }
    return { set, gone, old: 0, tooMany };
  }

  /** Forgets a room. */
  drop(room: RoomId): void {
    for (const keys of this.#rooms.get(room)?.values() ?? []) this.#size -= keys.size;
    this.#rooms.delete(room);
  }

  #put(room: RoomId, event: KnownEvent, before: KnownEvent | undefined): void {
    const { type, stateKey, sender, eventId, content, at } = event;
    const places = this.#rooms.get(room) ?? new Map<string, Map<string, KnownEvent>>();
    this.#rooms.set(room, places);
    const keys = places.get(type) ?? new Map<string, KnownEvent>();
    places.set(type, keys);
    keys.set(stateKey, { type, stateKey, sender, eventId, content, at });
    if (before === undefined) this.#size += 1;
    else if (before.eventId !== eventId) this.#forgetEvent(before.eventId);
  }

  #forgetEvent(eventId: string): void {
    this.#replaced.add(eventId);
    for (const oldest of this.#replaced) {
      if (this.#replaced.size <= REPLACED_KEPT) break;
      this.#replaced.delete(oldest);
    }
  }
}

function sameContent(before: KnownEvent, event: KnownEvent): boolean {
  return JSON.stringify(before.content) === JSON.stringify(event.content);
}
