// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import type { ISyncResponse } from 'matrix-js-sdk/lib/sync-accumulator.js';
import { SqliteSyncStore } from './sync-store.ts';

function file(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-store-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'sync.sqlite');
}

function answer(position: string): ISyncResponse {
  return {
    next_batch: position,
    rooms: { join: {}, invite: {}, leave: {}, knock: {} },
    account_data: { events: [] },
  } as unknown as ISyncResponse;
}

async function saved(path: string, position: string): Promise<void> {
  const store = new SqliteSyncStore(path);
  await store.setSyncData(answer(position));
  assert.equal(store.wantsSave(), true);
  await store.save();
  assert.equal(store.wantsSave(), false);
  store.close();
  store.close();
}

test('SqliteSyncStore goes on from the last saved position', async (context) => {
  const path = file(context);
  await saved(path, 's1');
  await saved(path, 's2');
  const store = new SqliteSyncStore(path);
  assert.equal(await store.getSavedSyncToken(), 's2');
  store.close();
});

for (const [why, damage] of [
  ['is no database', (path: string) => writeFileSync(path, 'not a database at all, by no means'.repeat(100))],
  ['is cut off', (path: string) => writeFileSync(path, 'SQLite format 3\0')],
  ['holds something else', (path: string) => sql(path, 'UPDATE sync SET data = \'{"nextBatch":\'')],
  ['holds a shape that is not ours', (path: string) => sql(path, 'UPDATE sync SET data = \'{"nextBatch":"s1","roomsData":7}\'')],
  ['has another table', (path: string) => sql(path, 'DROP TABLE sync; CREATE TABLE sync (other TEXT)')],
] as const) {
  test(`SqliteSyncStore moves a file aside that ${why}, tells it, and begins anew`, async (context) => {
    const path = file(context);
    await saved(path, 's1');
    damage(path);
    const told: string[] = [];
    const store = new SqliteSyncStore(path, (what) => told.push(what));
    assert.equal(await store.getSavedSyncToken(), null);
    assert.equal(await store.getSavedSync(), null);
    assert.equal(told.length, 1);
    assert.ok(existsSync(`${path}.damaged`));
    store.close();
    await saved(path, 's9');
  });
}

function sql(path: string, text: string): void {
  const database = new DatabaseSync(path);
  database.exec(text);
  database.close();
}

test('SqliteSyncStore.save() that fails is told once, loses nothing, and is made up for', async (context) => {
  const path = file(context);
  const told: string[] = [];
  const store = new SqliteSyncStore(path, (what) => told.push(what));
  await store.setSyncData(answer('s1'));
  await store.save();
  // A full disk, as far as SQLite is concerned: writing fails, reading goes on.
  sql(path, "CREATE TRIGGER full BEFORE INSERT ON sync BEGIN SELECT RAISE(ABORT, 'disk full'); END");
  await store.setSyncData(answer('s2'));
  await store.save();
  await store.save();
  assert.equal(told.length, 1);
  assert.equal(store.wantsSave(), true);
  assert.equal(await store.getSavedSyncToken(), 's2');
  const after = new SqliteSyncStore(path);
  assert.equal(await after.getSavedSyncToken(), 's1', 'position and state on disk are still those of one moment');
  after.close();
  sql(path, 'DROP TRIGGER full');
  await store.save();
  store.close();
  const last = new SqliteSyncStore(path);
  assert.equal(await last.getSavedSyncToken(), 's2');
  last.close();
});

test('SqliteSyncStore.forget() forgets on disk as well', async (context) => {
  const path = file(context);
  await saved(path, 's1');
  const store = new SqliteSyncStore(path);
  store.forget();
  assert.equal(await store.getSavedSyncToken(), null);
  store.close();
  const next = new SqliteSyncStore(path);
  assert.equal(await next.getSavedSyncToken(), null);
  next.close();
});

test('SqliteSyncStore works from memory while its file cannot be opened, leaves it alone, and writes when it can be', async (context) => {
  const path = file(context);
  // A directory in its place: the one way not to be able to open that also holds for root.
  mkdirSync(path);
  const told: string[] = [];
  const store = new SqliteSyncStore(path, (what) => told.push(what));
  await store.setSyncData({ next_batch: 's3', rooms: {} } as never);
  await store.save();
  assert.equal(await store.getSavedSyncToken(), 's3');
  assert.deepEqual(told, ['The sync position cannot be written; after a restart the sync goes on from an older one']);
  assert.equal(existsSync(`${path}.damaged`), false);
  rmdirSync(path);
  await store.save();
  store.close();
  const next = new SqliteSyncStore(path);
  assert.equal(await next.getSavedSyncToken(), 's3');
  next.close();
});
