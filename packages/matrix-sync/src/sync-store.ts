// SPDX-License-Identifier: Apache-2.0
import { DatabaseSync } from 'node:sqlite';
import { MemoryStore } from 'matrix-js-sdk';
import { SyncAccumulator, type ISyncResponse } from 'matrix-js-sdk/lib/sync-accumulator.js';
import type { ISavedSync } from 'matrix-js-sdk/lib/store/index.js';

/** Newest events of a timeline that are kept; the machine's rooms are read by their state. */
const TIMELINE_EVENTS_KEPT = 20;

/**
 * A store for matrix-js-sdk whose sync position and room state are written to SQLite after each sync, in one transaction: after a
 * crash the next sync continues from the last position that was applied, and an offline start knows the last good state.
 */
export class SqliteSyncStore extends MemoryStore {
  readonly #database: DatabaseSync;
  readonly #accumulator = new SyncAccumulator({ maxTimelineEntries: TIMELINE_EVENTS_KEPT });
  #dirty = false;

  constructor(path: string) {
    super({});
    this.#database = new DatabaseSync(path);
    this.#database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS sync (one INTEGER PRIMARY KEY CHECK (one = 1), data TEXT NOT NULL) STRICT',
    );
    const row = this.#database.prepare('SELECT data FROM sync WHERE one = 1').get();
    if (typeof row?.['data'] !== 'string') return;
    const { nextBatch, roomsData, accountData } = JSON.parse(row['data']) as ISavedSync;
    this.#accumulator.accumulate({ next_batch: nextBatch, rooms: roomsData, account_data: { events: accountData } } as ISyncResponse, true);
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

  override save(): Promise<void> {
    this.#dirty = false;
    const data = JSON.stringify(this.#accumulator.getJSON(true));
    this.#database.prepare('INSERT INTO sync (one, data) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET data = excluded.data').run(data);
    return Promise.resolve();
  }

  /** Closes the file; the store is of no use afterwards. */
  close(): void {
    this.#database.close();
  }
}
