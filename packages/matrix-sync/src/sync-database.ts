// SPDX-License-Identifier: Apache-2.0
import { parseRoomId, type RoomId } from '@bureau/core';
import type { DatabaseSync } from 'node:sqlite';
import { DurableDatabase, type StoreFault } from './durable-database.ts';
import { CHANGES_BEFORE_FOLD } from './limits.ts';
import { fromKept, keptOf, type KnownEvent, type StateEvent } from './room-event.ts';

/** What is on disk: the position, and the state of every room at it. */
export interface SavedSync {
  readonly position: string;
  readonly rooms: readonly { readonly room: RoomId; readonly events: readonly KnownEvent[] }[];
}

/** What has changed since the last save. */
export interface UnsavedChanges {
  readonly position: string | undefined;
  /** Rooms that are known in part: what is new, and what is gone. */
  readonly changed: ReadonlyMap<RoomId, { readonly set: readonly StateEvent[]; readonly gone: readonly Place[] }>;
  /** Rooms to be written whole, by their events' texts; empty: the room is forgotten. */
  readonly whole: ReadonlyMap<RoomId, readonly string[]>;
  /** These are all rooms that there are. */
  readonly all: boolean;
}

export interface Place {
  readonly type: string;
  readonly stateKey: string;
}

const SCHEMA = `
  DROP TABLE IF EXISTS sync;
  CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS room (room TEXT PRIMARY KEY, events TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS change (room TEXT, type TEXT, state_key TEXT, event TEXT, PRIMARY KEY (room, type, state_key)) STRICT, WITHOUT ROWID;
`;
const SET_CHANGE =
  'INSERT INTO change (room, type, state_key, event) VALUES (?, ?, ?, ?) ON CONFLICT (room, type, state_key) DO UPDATE SET event = excluded.event';

/**
 * Position and state of rooms in SQLite, always of one moment: after a crash the next sync continues from the last position that was
 * applied, and an offline start knows the last good state. A room is one text with all its state, and the changes since; after
 * `CHANGES_BEFORE_FOLD` of them it is written whole again. So 30,000 events are read nearly as quickly as their JSON is parsed.
 */
export class SyncDatabase {
  readonly #database: DurableDatabase;
  readonly #changes = new Map<RoomId, number>();
  /** What a save could not write: these rooms are written whole by the next. */
  readonly #missed = new Set<RoomId>();
  #missedAll = false;

  constructor(path: string, fault: StoreFault) {
    // An older position is no loss: the homeserver says what came after it once more.
    this.#database = new DurableDatabase({ path, schema: SCHEMA, subject: 'The sync position', fault, afterPowerFailure: 'earlier' });
  }

  /** What was saved last; `undefined` when there is nothing, or nothing that can be read. */
  load(): SavedSync | undefined {
    return this.#database.attempt((database) => {
      const position = database.prepare('SELECT token FROM position WHERE one = 1').get()?.['token'];
      if (typeof position !== 'string') return undefined;
      return { position, rooms: this.#loadRooms(database) };
    });
  }

  /**
   * Writes what has changed in one transaction, and then what earlier saves missed; `textsOf` gives all events of a room. A save that
   * fails is told once, and made up for by the next one.
   */
  save({ position, changed, whole, all }: UnsavedChanges, textsOf: (room: RoomId) => readonly string[]): void {
    const folded = [...changed.keys()].filter((room) => (this.#changes.get(room) ?? 0) >= CHANGES_BEFORE_FOLD);
    const wholes = new Map(whole);
    for (const room of [...folded, ...this.#missed]) if (!wholes.has(room)) wholes.set(room, textsOf(room));
    const saved = this.#database.write((database) => {
      if (all || this.#missedAll) database.exec('DELETE FROM room; DELETE FROM change');
      const setChange = database.prepare(SET_CHANGE);
      for (const [room, { set, gone }] of changed) {
        if (wholes.has(room)) continue;
        for (const { type, stateKey, text } of set) setChange.run(room, type, stateKey, text);
        for (const { type, stateKey } of gone) setChange.run(room, type, stateKey, null);
      }
      for (const [room, texts] of wholes) writeWhole(database, room, texts);
      if (position !== undefined)
        database
          .prepare('INSERT INTO position (one, token) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET token = excluded.token')
          .run(position);
    });
    if (!saved) {
      for (const room of [...changed.keys(), ...wholes.keys()]) this.#missed.add(room);
      this.#missedAll ||= all;
      return;
    }
    this.#missed.clear();
    this.#missedAll = false;
    for (const [room, { set, gone }] of changed) this.#changes.set(room, (this.#changes.get(room) ?? 0) + set.length + gone.length);
    for (const room of wholes.keys()) this.#changes.delete(room);
  }

  /** Forgets the position, on disk as well: the next start asks for everything anew. State stays until that is answered. */
  forgetPosition(): void {
    this.#database.write((database) => database.exec('DELETE FROM position'));
  }

  close(): void {
    this.#database.close();
  }

  #loadRooms(database: DatabaseSync): SavedSync['rooms'] {
    const rooms = new Map<RoomId, KnownEvent[]>();
    for (const { room, events } of database.prepare('SELECT room, events FROM room').all())
      rooms.set(parseRoomId(String(room)), (JSON.parse(String(events)) as unknown[]).map(fromKept));
    for (const row of database.prepare('SELECT room, type, state_key, event FROM change').all()) {
      const room = parseRoomId(String(row['room']));
      const events = rooms.get(room) ?? [];
      const others = events.filter(({ type, stateKey }) => type !== row['type'] || stateKey !== row['state_key']);
      rooms.set(room, row['event'] === null ? others : [...others, fromKept(JSON.parse(String(row['event'])))]);
      this.#changes.set(room, (this.#changes.get(room) ?? 0) + 1);
    }
    return [...rooms].map(([room, events]) => ({ room, events }));
  }
}

/** The texts of events that are no longer at hand as they came. */
export function textsOf(events: readonly KnownEvent[]): string[] {
  return events.map((event) => JSON.stringify(keptOf(event)));
}

function writeWhole(database: DatabaseSync, room: RoomId, texts: readonly string[]): void {
  database.prepare('DELETE FROM change WHERE room = ?').run(room);
  if (texts.length === 0) {
    database.prepare('DELETE FROM room WHERE room = ?').run(room);
    return;
  }
  database
    .prepare('INSERT INTO room (room, events) VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET events = excluded.events')
    .run(room, `[${texts.join(',')}]`);
}
