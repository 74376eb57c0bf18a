// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isSqliteDamage, SqliteFile, type SqliteFileOptions } from './sqlite.ts';

const SCHEMA = 'CREATE TABLE IF NOT EXISTS seen (event TEXT PRIMARY KEY) STRICT';

function fileIn(context: TestContext, more: Partial<SqliteFileOptions> = {}): SqliteFile {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-sqlite-'));
  const file = new SqliteFile({ path: `${directory}/seen.sqlite`, schema: SCHEMA, afterPowerFailure: 'all', ...more });
  context.after(() => {
    file.close();
    rmSync(directory, { recursive: true });
  });
  return file;
}

function add(file: SqliteFile, ...events: string[]): void {
  file.transaction((database) => {
    for (const event of events) database.prepare('INSERT INTO seen VALUES (?)').run(event);
  });
}

function seen(file: SqliteFile): string[] {
  const rows = file.open().prepare('SELECT event FROM seen ORDER BY event').all();
  return rows.map((row) => String(row['event']));
}

/** What `work` throws. */
function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return assert.fail('expected it to throw');
}

test('SqliteFile keeps what a transaction wrote for the next process', (context) => {
  const file = fileIn(context);
  add(file, 'a', 'b');
  file.close();
  file.close();
  assert.deepEqual(seen(file), ['a', 'b']);
});

test('SqliteFile.transaction() is all or nothing', (context) => {
  const file = fileIn(context);
  add(file, 'a');
  const error = thrownBy(() => add(file, 'b', 'a'));
  assert.match(String(error), /UNIQUE/);
  assert.deepEqual(seen(file), ['a']);
  add(file, 'c');
  assert.deepEqual(seen(file), ['a', 'c'], 'and the file is open for the next one');
});

for (const [afterPowerFailure, synchronous] of [
  ['all', 2],
  ['earlier', 1],
] as const)
  test(`SqliteFile waits for the disk as "${afterPowerFailure}" needs it, and merges its log when it was told to`, (context) => {
    const file = fileIn(context, { afterPowerFailure, checkpointPages: 77 });
    const pragma = (name: string): unknown => Object.values(file.open().prepare(`PRAGMA ${name}`).get() ?? {})[0];
    assert.deepEqual([pragma('journal_mode'), pragma('synchronous'), pragma('wal_autocheckpoint')], ['wal', synchronous, 77]);
  });

test('isSqliteDamage() knows a full disk, a file in use and a path that cannot be opened from a damaged file', (context) => {
  const file = fileIn(context);
  add(file, 'a');
  const pages = (file.open().prepare('PRAGMA page_count').get() as { page_count: number }).page_count;
  file.open().exec(`PRAGMA max_page_count = ${pages}`);
  const full = thrownBy(() => add(file, 'x'.repeat(100_000)));
  assert.match(String(full), /full/);
  assert.equal(isSqliteDamage(full), false);
  assert.deepEqual(seen(file), ['a']);

  const second = new SqliteFile({ path: file.path, schema: SCHEMA, afterPowerFailure: 'all' });
  context.after(() => second.close());
  second.open();
  const busy = file.transaction(() => thrownBy(() => add(second, 'b')));
  assert.match(String(busy), /locked/);
  assert.equal(isSqliteDamage(busy), false);

  // A directory in its place: the one way not to be able to open that also holds for root.
  mkdirSync(`${file.path}-directory`);
  const cannotOpen = new SqliteFile({ path: `${file.path}-directory`, schema: SCHEMA, afterPowerFailure: 'all' });
  assert.equal(isSqliteDamage(thrownBy(() => cannotOpen.open())), false);
  rmdirSync(`${file.path}-directory`);
  assert.deepEqual([cannotOpen.open().isOpen, cannotOpen.close()], [true, undefined], 'and it opens once it can');
});

test('SqliteFile.moveAside() keeps a damaged file in the place of an earlier one, and the next use begins anew', (context) => {
  const file = fileIn(context);
  const damaged = `${file.path}.damaged`;
  writeFileSync(file.path, 'not a database at all, by no means'.repeat(100));
  assert.equal(isSqliteDamage(thrownBy(() => file.open())), true);
  file.moveAside();
  assert.deepEqual(seen(file), []);
  assert.match(readFileSync(damaged, 'utf8'), /^not a database/);

  add(file, ...Array.from({ length: 2_000 }, (_, at) => `$${at}`));
  file.close();
  truncateSync(file.path, statSync(file.path).size / 2);
  assert.equal(isSqliteDamage(thrownBy(() => seen(file))), true);
  writeFileSync(`${damaged}-wal`, 'of the earlier one');
  file.moveAside();
  assert.deepEqual(seen(file), []);
  assert.match(readFileSync(damaged, 'latin1'), /^SQLite format 3/);
  assert.equal(existsSync(`${damaged}-wal`), false, 'the log of the earlier one is gone');
});

test('SqliteFile.moveAside() takes the log with it: nothing of it is played into the new file', (context) => {
  const [killed, file] = [fileIn(context), fileIn(context)];
  add(killed, 'a');
  killed.close();
  add(killed, 'b');
  // As a process that was killed leaves them, and then a bad sector.
  for (const part of ['', '-wal']) copyFileSync(`${killed.path}${part}`, `${file.path}${part}`);
  assert.deepEqual(seen(file), ['a', 'b'], 'the log counts while the file is whole');
  file.close();
  for (const part of ['', '-wal']) copyFileSync(`${killed.path}${part}`, `${file.path}${part}`);
  file.moveAside();
  assert.deepEqual([existsSync(`${file.path}-wal`), existsSync(`${file.path}.damaged-wal`)], [false, true]);
  assert.deepEqual(seen(file), []);
});

test('SqliteFile.moveAside() throws where it cannot, and loses nothing', (context) => {
  const file = fileIn(context);
  add(file, 'a');
  mkdirSync(`${file.path}.damaged`);
  assert.throws(() => file.moveAside());
  assert.deepEqual(seen(file), ['a']);
});
