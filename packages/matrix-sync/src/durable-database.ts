// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isSqliteDamage } from '@bureau/files';

/** Pages of the log before it is merged, which waits for the disk: a first sync of many rooms fits in (16 MiB). */
const CHECKPOINT_PAGES = 4_000;

/** Told what went wrong with a file; nothing of it ends the daemon. */
export type StoreFault = (what: string, error: unknown) => void;

export interface DurableDatabaseOptions {
  readonly path: string;
  /** Run at each opening; `IF NOT EXISTS`. */
  readonly schema: string;
  /** What the file is about, for its reports: `The sync position`. */
  readonly subject: string;
  readonly fault: StoreFault;
  /**
   * What it holds after the power failed: `all` that was written (each write waits for the disk), or what was there a moment before,
   * whole all the same. What a process that was killed had written is there in any case.
   */
  readonly afterPowerFailure: 'all' | 'earlier';
}

/**
 * A SQLite file that the daemon outlives: a damaged one is moved to `PATH.damaged` and a new one begun; one that cannot be opened or
 * written (a full disk) is left alone and tried again at each use. Each kind of trouble is told once until it has passed.
 */
export class DurableDatabase {
  readonly #options: DurableDatabaseOptions;
  #database: DatabaseSync | undefined;
  #failing = false;

  constructor(options: DurableDatabaseOptions) {
    this.#options = options;
  }

  /** Runs `work`; `undefined` when the file is damaged (it is moved aside then) or cannot be used now, which is told. */
  attempt<Value>(work: (database: DatabaseSync) => Value): Value | undefined {
    try {
      this.#database ??= openDatabase(this.#options);
      const value = work(this.#database);
      this.#failing = false;
      return value;
    } catch (error) {
      if (isSqliteDamage(error)) this.#moveAside(error);
      else this.#cannotUse(error);
      return undefined;
    }
  }

  /** Runs `work` in one transaction, all or nothing; whether it is on disk. */
  write(work: (database: DatabaseSync) => void): boolean {
    const done = this.attempt((database) => {
      database.exec('BEGIN IMMEDIATE');
      try {
        work(database);
        database.exec('COMMIT');
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
      return true;
    });
    return done === true;
  }

  /** Closes the file. Idempotent; another use opens it again. */
  close(): void {
    if (this.#database?.isOpen === true) this.#database.close();
    this.#database = undefined;
  }

  /** Keeps the damaged file for whoever wants to look. */
  #moveAside(damage: unknown): void {
    const { path, subject, fault } = this.#options;
    this.close();
    fault(`${subject} in ${path} cannot be read; it is moved aside, and everything is asked for anew`, damage);
    try {
      // With the log of what was not yet merged: SQLite would play it into the new file.
      for (const suffix of ['', '-wal', '-shm'])
        if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${path}.damaged${suffix}`);
    } catch (error) {
      this.#cannotUse(error);
    }
  }

  #cannotUse(error: unknown): void {
    const { subject, fault } = this.#options;
    if (!this.#failing) fault(`${subject} cannot be written; after a restart the daemon goes on from an older one`, error);
    this.#failing = true;
  }
}

function openDatabase({ path, schema, afterPowerFailure }: DurableDatabaseOptions): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA synchronous = ${afterPowerFailure === 'all' ? 'FULL' : 'NORMAL'}; ${schema}`,
    );
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
