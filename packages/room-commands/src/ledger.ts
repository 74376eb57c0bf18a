// SPDX-License-Identifier: Apache-2.0
import type { DatabaseSync } from 'node:sqlite';
import { isSqliteDamage, SqliteFile } from '@bureau/files/sqlite';
import { LEDGER_MAX } from './limits.ts';

/** One command that was taken. */
export interface LedgerEntry {
  readonly event: string;
  readonly sender: string;
  readonly request: string;
  readonly command: string;
  readonly parameters: unknown;
  readonly at: number;
}

/** `received`: may still be carried out · `begun`: may have been; never again · `done`: answered. */
type LedgerState = 'received' | 'begun' | 'done';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS command (
    number INTEGER PRIMARY KEY, event TEXT NOT NULL UNIQUE, sender TEXT NOT NULL, request TEXT NOT NULL,
    command TEXT NOT NULL, parameters TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, UNIQUE (sender, request)) STRICT;
`;

/** Told what went wrong with the file; nothing of it ends the daemon. */
export type LedgerFault = (what: string, error: unknown) => void;

/**
 * Which commands were taken, on disk before anything is done: none is carried out twice, whatever crashes. A file that is damaged when
 * it is opened is moved to `PATH.damaged`, which is told; one that cannot be written makes every method throw, and what is not recorded
 * is not carried out.
 */
export class CommandLedger {
  readonly #file: SqliteFile;
  readonly #fault: LedgerFault;

  constructor(path: string, fault: LedgerFault) {
    this.#file = new SqliteFile({ path, schema: SCHEMA, afterPowerFailure: 'all' });
    this.#fault = fault;
  }

  /** Whether this event was taken before. */
  knowsEvent(event: string): boolean {
    return this.#open().prepare('SELECT 1 FROM command WHERE event = ?').get(event) !== undefined;
  }

  /** Whether this sender has used this request ID before. */
  knowsRequest(sender: string, request: string): boolean {
    return this.#open().prepare('SELECT 1 FROM command WHERE sender = ? AND request = ?').get(sender, request) !== undefined;
  }

  /** Records a command; the oldest that are done are forgotten above `LEDGER_MAX`. */
  record(entry: LedgerEntry, state: LedgerState): void {
    const database = this.#open();
    const { event, sender, request, command, parameters, at } = entry;
    database
      .prepare('INSERT INTO command (event, sender, request, command, parameters, at, state) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(event, sender, request, command, JSON.stringify(parameters ?? null), at, state);
    database.prepare("DELETE FROM command WHERE state = 'done' AND number <= (SELECT max(number) FROM command) - ?").run(LEDGER_MAX);
  }

  advance(event: string, state: LedgerState): void {
    this.#open().prepare('UPDATE command SET state = ? WHERE event = ?').run(state, event);
  }

  /** Commands in a state, in the order in which they came. */
  inState(state: LedgerState): LedgerEntry[] {
    return this.#open()
      .prepare('SELECT * FROM command WHERE state = ? ORDER BY number')
      .all(state)
      .map((row) => ({
        event: String(row['event']),
        sender: String(row['sender']),
        request: String(row['request']),
        command: String(row['command']),
        parameters: JSON.parse(String(row['parameters'])) as unknown,
        at: Number(row['at']),
      }));
  }

  /** Idempotent; a later use opens the file again. */
  close(): void {
    this.#file.close();
  }

  #open(): DatabaseSync {
    try {
      return this.#file.open();
    } catch (error) {
      if (!isSqliteDamage(error)) throw error;
      this.#fault(`Which commands were taken (${this.#file.path}) cannot be read; it is moved aside`, error);
      this.#file.moveAside();
      return this.#file.open();
    }
  }
}
