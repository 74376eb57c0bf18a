// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import type { StoreFault } from './durable-database.ts';
import type { StateEvent, StateFact } from './room-event.ts';
import { RoomStates, type StateChange } from './room-states.ts';
import { SyncDatabase, textsOf, type Place } from './sync-database.ts';

/** State of rooms in memory, with the position that it belongs to, and both on disk after each `save`. */
export class SyncedState {
  readonly #states = new RoomStates();
  readonly #database: SyncDatabase;
  #changed = new Map<RoomId, { set: StateEvent[]; gone: Place[] }>();
  #whole = new Map<RoomId, readonly string[]>();
  #position: string | undefined;
  #anew = false;

  constructor(path: string, fault: StoreFault) {
    this.#database = new SyncDatabase(path, fault);
    const saved = this.#database.load();
    for (const { room, events } of saved?.rooms ?? []) this.#states.apply(room, events);
    this.#position = saved?.position;
  }

  /** Where the next sync goes on; `undefined`: from nothing. */
  get position(): string | undefined {
    return this.#position;
  }

  facts(room: RoomId, type: string): StateFact[] {
    return this.#states.state(room, type);
  }

  knows(room: RoomId): boolean {
    return this.#states.rooms().includes(room);
  }

  /** Every room that is known. */
  rooms(): readonly RoomId[] {
    return this.#states.rooms();
  }

  /** Whether an event stands in its place. */
  stands(room: RoomId, eventId: string): boolean {
    return this.#states.stands(room, eventId);
  }

  /** Takes events of a room: as the newest of their places, or (`whole`) for all that there is. */
  take(room: RoomId, events: readonly StateEvent[], { whole }: { readonly whole: boolean }): StateChange<StateEvent> {
    const fresh = !this.knows(room);
    const change = whole ? this.#states.replace(room, events) : this.#states.apply(room, events);
    if (fresh && events.length > 0) {
      this.#whole.set(
        room,
        // Each place once: a later event of the same place has taken it.
        change.set.length === events.length && change.tooMany === 0 ? events.map(({ text }) => text) : textsOf(this.#states.events(room)),
      );
    } else if (change.set.length + change.gone.length > 0) {
      const changes = this.#changed.get(room) ?? { set: [], gone: [] };
      changes.set.push(...change.set);
      changes.gone.push(...change.gone);
      this.#changed.set(room, changes);
    }
    return change;
  }

  /** Forgets a room; whether it was known. */
  drop(room: RoomId): boolean {
    const known = this.knows(room);
    this.#states.drop(room);
    this.#changed.delete(room);
    if (known) this.#whole.set(room, []);
    return known;
  }

  /** A sync from nothing has named all rooms: forgets all others, on disk as well; whether there were any. */
  keepOnly(rooms: readonly RoomId[]): boolean {
    this.#anew = true;
    const kept = new Set(rooms);
    const others = this.#states.rooms().filter((room) => !kept.has(room));
    for (const room of others) this.drop(room);
    return others.length > 0;
  }

  /** Writes what has changed, with the new position if there is one. Never throws: what cannot be written is told, and written later. */
  save(position?: string): void {
    if (position === this.#position && !this.#anew && this.#changed.size === 0 && this.#whole.size === 0) return;
    if (position !== undefined) this.#position = position;
    const texts = (room: RoomId): string[] => textsOf(this.#states.events(room));
    if (this.#anew) for (const room of this.#states.rooms()) if (!this.#whole.has(room)) this.#whole.set(room, texts(room));
    this.#database.save({ position: this.#position, changed: this.#changed, whole: this.#whole, all: this.#anew }, texts);
    this.#changed = new Map();
    this.#whole = new Map();
    this.#anew = false;
  }

  /** Forgets the position alone: the next sync says everything anew, and until then what is known stands. */
  forgetPosition(): void {
    this.#position = undefined;
    this.#database.forgetPosition();
  }

  close(): void {
    this.#database.close();
  }
}
