// SPDX-License-Identifier: Apache-2.0
import type { DatabaseSync } from 'node:sqlite';
import { isSqliteDamage, SqliteFile, type SqliteFileOptions } from '@bureau/files/sqlite';

/** A first sync of many rooms fits into the log (16 MiB). */
const CHECKPOINT_PAGES = 4_000;

/** Told what went wrong with a file; nothing of it ends the daemon. */
export type StoreFault = (what: string, error: unknown) => void;

export interface DurableDatabaseOptions extends Pick<SqliteFileOptions, 'path' | 'schema' | 'afterPowerFailure'> {
  /** What the file is about, for its reports: `The sync position`. */
  readonly subject: string;
  readonly fault: StoreFault;
}

/**
 * A SQLite file that the daemon outlives: a damaged one is moved to `PATH.damaged` and a new one begun; one that cannot be opened or
 * written (a full disk) is left alone and tried again at each use. Each kind of trouble is told once until it has passed.
 */
export class DurableDatabase {
  readonly #file: SqliteFile;
  readonly #subject: string;
  readonly #fault: StoreFault;
  #failing = false;

  constructor({ subject, fault, ...file }: DurableDatabaseOptions) {
    this.#file = new SqliteFile({ ...file, checkpointPages: CHECKPOINT_PAGES });
    this.#subject = subject;
    this.#fault = fault;
  }

  /** Runs `work`; `undefined` when the file is damaged (it is moved aside then) or cannot be used now, which is told. */
  attempt<Value>(work: (database: DatabaseSync) => Value): Value | undefined {
    return this.#guard(() => work(this.#file.open()));
  }

  /** Runs `work` in one transaction, all or nothing; whether it is on disk. */
  write(work: (database: DatabaseSync) => void): boolean {
    const done = this.#guard(() => {
      this.#file.transaction(work);
      return true;
    });
    return done === true;
  }

  /** Closes the file. Idempotent; another use opens it again. */
  close(): void {
    this.#file.close();
  }

  #guard<Value>(work: () => Value): Value | undefined {
    try {
      const value = work();
      this.#failing = false;
      return value;
    } catch (error) {
      if (isSqliteDamage(error)) this.#moveAside(error);
      else this.#cannotUse(error);
      return undefined;
    }
  }

  #moveAside(damage: unknown): void {
    this.#fault(`${this.#subject} in ${this.#file.path} cannot be read; it is moved aside, and everything is asked for anew`, damage);
    try {
      this.#file.moveAside();
    } catch (error) {
      this.#cannotUse(error);
    }
  }

  #cannotUse(error: unknown): void {
    if (!this.#failing) this.#fault(`${this.#subject} cannot be written; after a restart the daemon goes on from an older one`, error);
    this.#failing = true;
  }
}
