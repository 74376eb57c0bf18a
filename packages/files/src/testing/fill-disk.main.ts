// SPDX-License-Identifier: Apache-2.0
/**
 * Runs in a mount namespace of its own: SQLite files on a tmpfs that is full after each number of pages in turn. Prints what was found,
 * a line of JSON for each size: {@link FullAfter}.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { isSqliteDamage, SqliteFile } from '../sqlite.ts';

/** What a disk of so many pages did to a file. */
export interface FullAfter {
  readonly pages: number;
  /** SQLite's words of the write that found no room; undefined when all had. */
  readonly refused: string | undefined;
  /** Whether that was taken for damage of the file. */
  readonly damage: boolean;
  /** Rows whose write returned, before and after there was room again. */
  readonly written: readonly string[];
  /** Rows that the next process finds, the former one being killed. */
  readonly found: readonly string[];
}

const PAGE_BYTES = 4_096;
const ROOM = '64m';
/** Some pages of rows; the log is merged a few times on the way. */
const ROWS = 60;
const CHECKPOINT_PAGES = 8;

const [directory = '', from = '', to = ''] = process.argv.slice(2);

function resize(size: string, ...more: string[]): void {
  execFileSync('/usr/bin/mount', ['-o', [...more, `size=${size}`].join(','), '-t', 'tmpfs', 'tmpfs', directory]);
}

function fileAt(): SqliteFile {
  return new SqliteFile({
    path: `${directory}/rows.sqlite`,
    schema: 'CREATE TABLE IF NOT EXISTS rows (name TEXT PRIMARY KEY, filler TEXT NOT NULL) STRICT',
    afterPowerFailure: 'all',
    checkpointPages: CHECKPOINT_PAGES,
  });
}

function add(file: SqliteFile, name: string): void {
  file.transaction((database) => database.prepare('INSERT INTO rows VALUES (?, ?)').run(name, name.repeat(200)));
}

function fullAfter(pages: number): FullAfter {
  resize(`${pages * PAGE_BYTES}`, 'remount');
  const file = fileAt();
  const written: string[] = [];
  const names = Array.from({ length: ROWS }, (_, at) => `row${at}`);
  let refused: unknown;
  for (const name of names) {
    try {
      add(file, name);
      written.push(name);
    } catch (error) {
      refused = error;
      break;
    }
  }
  resize(ROOM, 'remount');
  add(file, 'after');
  written.push('after');
  // The first one is not closed: what it holds open counts as a process that was killed.
  const next = fileAt();
  const found = next
    .open()
    .prepare('SELECT name FROM rows ORDER BY rowid')
    .all()
    .map((row) => String(row['name']));
  next.close();
  file.close();
  for (const part of ['', '-wal', '-shm']) rmSync(`${file.path}${part}`, { force: true });
  return {
    pages,
    refused: refused === undefined ? undefined : String(refused),
    damage: refused !== undefined && isSqliteDamage(refused),
    written,
    found,
  };
}

resize(ROOM);
for (let pages = Number(from); pages <= Number(to); pages += 1) process.stdout.write(`${JSON.stringify(fullAfter(pages))}\n`);
