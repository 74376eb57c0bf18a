// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isSqliteDamage } from '@bureau/files';
import { MemoryStore } from 'matrix-js-sdk';
import { SyncAccumulator, type ISyncResponse } from 'matrix-js-sdk/lib/sync-accumulator.js';
import type { ISavedSync } from 'matrix-js-sdk/lib/store/index.js';

/** Newest events of a timeline that are kept; the machine's rooms are read by their state. */
const TIMELINE_EVENTS_KEPT = 20;

/** Told what went wrong with the file; nothing of it ends the sync. */
export type StoreFault = (what: string, error: unknown) => void;

/**
 * A store for matrix-js-sdk whose sync position and room state are written to SQLite after each sync, in one transaction: after a
 * crash the next sync continues from the last position that was applied, and an offline start knows the last good state.
 *
 * What is on disk may be lost (everything in it comes from the homeserver), the daemon may not: a damaged file is moved to
 * `PATH.damaged` and a new one begun; a file that cannot be opened (a full disk) is left alone and tried again at each save; a save
 * that fails is told once and made up for by the next one.
 */
export class SqliteSyncStore extends MemoryStore {
  readonly #path: string;
  /** Absent while the file cannot be opened. */
  #database: DatabaseSync | undefined;
  readonly #fault: StoreFault;
  #accumulator = newAccumulator();
  #dirty = false;
  #failing = false;

  constructor(path: string, fault: StoreFault = () => undefined) {
    super({});
    this.#path = path;
    this.#fault = fault;
    try {
      this.#database = openDatabase(path);
      this.#load(this.#database);
    } catch (error) {
      this.#accumulator = newAccumulator();
      if (isSqliteDamage(error)) this.#moveAside(error);
      else this.#cannotWrite(error);
    }
  }

  /** Forgets position and state, on disk as well: the next start asks for everything anew. Throws what SQLite throws. */
  forget(): void {
    this.#accumulator = newAccumulator();
    this.#dirty = false;
    this.#database?.exec('DELETE FROM sync');
  }

  #load(database: DatabaseSync): void {
    const row = database.prepare('SELECT data FROM sync WHERE one = 1').get();
    if (typeof row?.['data'] !== 'string') return;
    const { nextBatch, roomsData, accountData } = parseSaved(row['data']);
    this.#accumulator.accumulate({ next_batch: nextBatch, rooms: roomsData, account_data: { events: accountData } } as ISyncResponse, true);
  }

  /** Keeps the damaged file for whoever wants to look, and begins anew; without room for a new one the next save tries again. */
  #moveAside(damage: unknown): void {
    const path = this.#path;
    this.close();
    this.#fault(`The sync position in ${path} cannot be read; it is moved aside, and everything is asked for anew`, damage);
    // With the log of what was not yet merged: SQLite would play it into the new file.
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${path}.damaged${suffix}`);
    try {
      this.#database = openDatabase(path);
    } catch (error) {
      this.#cannotWrite(error);
    }
  }

  #cannotWrite(error: unknown): void {
    if (!this.#failing) this.#fault('The sync position cannot be written; after a restart the sync goes on from an older one', error);
    this.#failing = true;
  }

  override getSavedSync(): Promise<ISavedSync | null> {
    const data = this.#accumulator.getJSON();
    return Promise.resolve(data.nextBatch ? structuredClone(data) : null);
  }

  override getSavedSyncToken(): Promise<string | null> {
    return Promise.resolve(this.#accumulator.getNextBatchToken() || null);
  }

  override setSyncData(syncData: ISyncResponse): Promise<void> {
    this.#accumulator.accumulate(syncData);
    this.#dirty = true;
    return Promise.resolve();
  }

  override wantsSave(): boolean {
    return this.#dirty;
  }

  /** Never rejects: matrix-js-sdk would end its sync for good. What could not be written is written by the next save. */
  override save(): Promise<void> {
    try {
      const data = JSON.stringify(this.#accumulator.getJSON(true));
      this.#database ??= openDatabase(this.#path);
      this.#database.prepare('INSERT INTO sync (one, data) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET data = excluded.data').run(data);
      this.#dirty = false;
      this.#failing = false;
    } catch (error) {
      this.#cannotWrite(error);
    }
    return Promise.resolve();
  }

  /** Closes the file; the store is of no use afterwards. Idempotent. */
  close(): void {
    if (this.#database?.isOpen === true) this.#database.close();
    this.#database = undefined;
  }
}

const SCHEMA =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS sync (one INTEGER PRIMARY KEY CHECK (one = 1), data TEXT NOT NULL) STRICT';

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function parseSaved(text: string): ISavedSync {
  const saved = JSON.parse(text) as Partial<ISavedSync> | null;
  const isOurs =
    typeof saved?.nextBatch === 'string' &&
    typeof saved.roomsData === 'object' &&
    saved.roomsData !== null &&
    Array.isArray(saved.accountData);
  if (!isOurs) throw new Error('the saved sync has not the shape that we write');
  return saved as ISavedSync;
}

function newAccumulator(): SyncAccumulator {
  return new SyncAccumulator({ maxTimelineEntries: TIMELINE_EVENTS_KEPT });
}
