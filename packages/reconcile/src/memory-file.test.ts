// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { openMemoryFile, type MemoryFile } from './memory-file.ts';
import { PRINCIPAL } from './testing/reconcile-fixture.ts';

const OTHER = parsePrincipalName('iree/other');
const ENDED = { exit: { id: 'a-0', at: 7, quickExits: 2 } };

/** A path in a directory of its own, a way to open it that collects faults. */
function place(context: TestContext): { path: string; faults: string[]; open: () => MemoryFile } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-memory-'));
  const path = `${directory}/memory.sqlite`;
  const faults: string[] = [];
  const files: MemoryFile[] = [];
  context.after(() => {
    for (const file of files) file.close();
    rmSync(directory, { recursive: true });
  });
  return {
    path,
    faults,
    open: () => {
      const file = openMemoryFile(path, (what) => void faults.push(what));
      files.push(file);
      return file;
    },
  };
}

test('openMemoryFile() keeps what was saved for the next daemon, and removes what is to be forgotten', (context) => {
  const { faults, open } = place(context);
  const first = open();
  assert.deepEqual([...first.load()], []);
  first.save(
    new Map([
      [PRINCIPAL, ENDED],
      [OTHER, ENDED],
    ]),
  );
  first.save(new Map([[OTHER, undefined]]));
  first.close();
  assert.deepEqual([...open().load()], [[PRINCIPAL, ENDED]]);
  assert.deepEqual(faults, []);
});

test('openMemoryFile() leaves out rows that it cannot read and fields that it does not know', (context) => {
  const { path, faults, open } = place(context);
  open().load();
  const database = new DatabaseSync(path);
  const insert = database.prepare('INSERT INTO memory VALUES (?, ?)');
  insert.run(PRINCIPAL, JSON.stringify({ ...ENDED, ofTomorrow: 1 }));
  insert.run('../etc/passwd', '{}');
  insert.run(OTHER, '{"exit":7}');
  database.close();
  assert.deepEqual([...open().load()], [[PRINCIPAL, ENDED]]);
  assert.equal(faults.length, 2);
});

test('openMemoryFile() moves a damaged file aside and begins anew', (context) => {
  const { path, faults, open } = place(context);
  writeFileSync(path, 'no database at all, but long enough to look like one'.repeat(100));
  const file = open();
  assert.deepEqual([...file.load()], []);
  assert.ok(existsSync(`${path}.damaged`));
  assert.equal(faults.length, 1);
  file.save(new Map([[PRINCIPAL, ENDED]]));
  assert.deepEqual([...file.load()], [[PRINCIPAL, ENDED]]);
});

test('openMemoryFile() goes on without a damaged file that it cannot move aside', (context) => {
  const { path, faults, open } = place(context);
  writeFileSync(path, 'no database at all, but long enough to look like one'.repeat(100));
  mkdirSync(`${path}.damaged`);
  const file = open();
  assert.deepEqual([...file.load()], []);
  assert.throws(() => file.save(new Map([[PRINCIPAL, ENDED]])));
  assert.equal(faults.length, 2);
});

test('openMemoryFile() leaves a file alone that it cannot open, and saves when it can', (context) => {
  const { path, faults, open } = place(context);
  const before = open();
  before.save(new Map([[PRINCIPAL, ENDED]]));
  before.close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  const file = open();
  assert.deepEqual([...file.load()], []);
  assert.throws(() => file.save(new Map([[OTHER, ENDED]])));
  database.exec('ROLLBACK');
  database.close();
  assert.equal(existsSync(`${path}.damaged`), false);
  assert.equal(faults.length, 1);
  file.save(new Map([[OTHER, ENDED]]));
  assert.equal(file.load().size, 2);
});
