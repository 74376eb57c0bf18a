// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface SqliteFileOptions {
  readonly path: string;
  /** Run at each opening; `IF NOT EXISTS`. */
  readonly schema: string;
  /**
   * What it holds after the power failed: `all` that was written (each write waits for the disk), or what was there a moment before,
   * whole all the same. What a process that was killed had written is there in any case.
   */
  readonly afterPowerFailure: 'all' | 'earlier';
  /** Pages of the log before it is merged, which waits for the disk; SQLite's 1,000 where nothing is said. */
  readonly checkpointPages?: number;
}

/** The file, and the log of what was not yet merged: SQLite would play it into a new file. */
const PARTS: readonly string[] = ['', '-wal', '-shm'];

/** An SQLite file with a write-ahead log, opened by its first use and by each use after `close` or `moveAside`. */
export class SqliteFile {
  readonly path: string;
  readonly #pragmas: string;
  readonly #schema: string;
  #database: DatabaseSync | undefined;

  constructor({ path, schema, afterPowerFailure, checkpointPages }: SqliteFileOptions) {
    this.path = path;
    const checkpoint = checkpointPages === undefined ? '' : `PRAGMA wal_autocheckpoint = ${checkpointPages};`;
    this.#pragmas = `PRAGMA journal_mode = WAL; ${checkpoint} PRAGMA synchronous = ${afterPowerFailure === 'all' ? 'FULL' : 'NORMAL'};`;
    this.#schema = schema;
  }

  /** The database, which stays the file's: `close` ends it. Throws what SQLite says; `isSqliteDamage` tells what that means. */
  open(): DatabaseSync {
    if (this.#database !== undefined) return this.#database;
    const database = new DatabaseSync(this.path);
    try {
      database.exec(`${this.#pragmas} ${this.#schema}`);
    } catch (error) {
      database.close();
      throw error;
    }
    this.#database = database;
    return database;
  }

  /** Runs `work` in one transaction: all of it is on disk when this returns, or none when it throws. */
  transaction<Value>(work: (database: DatabaseSync) => Value): Value {
    const database = this.open();
    database.exec('BEGIN IMMEDIATE');
    try {
      const value = work(database);
      database.exec('COMMIT');
      return value;
    } catch (error) {
      // A full disk may have rolled it back already.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * Moves a damaged file to `PATH.damaged`, in the place of an earlier one, for whoever wants to look; the next use begins a new file.
   * Throws what the disk says.
   */
  moveAside(): void {
    this.close();
    for (const part of PARTS) {
      if (existsSync(`${this.path}${part}`)) renameSync(`${this.path}${part}`, `${this.path}.damaged${part}`);
      else rmSync(`${this.path}.damaged${part}`, { force: true });
    }
  }

  /** Idempotent. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}
