// SPDX-License-Identifier: Apache-2.0
import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import { isSqliteDamage } from '@bureau/files';
import * as v from 'valibot';
import { lastingMemory, type LastingMemory, type MemoryStore } from './memory.ts';

/** Told what went wrong with the file; nothing of it stops the machine. */
export type MemoryFault = (what: string, error: unknown) => void;

/** Lasting memory in an SQLite file, one row for each principal. */
export interface MemoryFile extends MemoryStore {
  /** Idempotent; a later `save` opens the file again. */
  close(): void;
}

const SCHEMA =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS memory (principal TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT';

/**
 * A store on this file, which is made by the first use. One that is damaged is moved to `PATH.damaged` and a new one begun; one that
 * cannot be opened (a full disk) is left alone, and `save` throws until it can.
 */
export function openMemoryFile(path: string, fault: MemoryFault): MemoryFile {
  let database: DatabaseSync | undefined;
  const open = (): DatabaseSync => (database ??= openDatabase(path));
  const close = (): void => {
    database?.close();
    database = undefined;
  };
  const rows = (): { principal: unknown; memory: unknown }[] =>
    open()
      .prepare('SELECT principal, memory FROM memory')
      .all()
      .map((row) => ({ principal: row['principal'], memory: row['memory'] }));
  return {
    load: () => {
      try {
        return new Map(rows().flatMap((row) => readRow(row, fault)));
      } catch (error) {
        close();
        if (!isSqliteDamage(error)) {
          fault(`What is remembered of principals (${path}) cannot be opened; going on without it`, error);
          return new Map();
        }
        fault(`What is remembered of principals (${path}) cannot be read; it is moved aside`, error);
        // With the log of what was not yet merged: SQLite would play it into the new file.
        for (const suffix of ['', '-wal', '-shm'])
          if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${path}.damaged${suffix}`);
        return new Map();
      }
    },
    save: (changes) => {
      const file = open();
      const write = file.prepare('INSERT INTO memory VALUES (?, ?) ON CONFLICT (principal) DO UPDATE SET memory = excluded.memory');
      const remove = file.prepare('DELETE FROM memory WHERE principal = ?');
      file.exec('BEGIN IMMEDIATE');
      try {
        for (const [principal, memory] of changes) {
          if (memory === undefined) remove.run(principal);
          else write.run(principal, JSON.stringify(memory));
        }
        file.exec('COMMIT');
      } catch (error) {
        // A full disk may have rolled it back already.
        if (file.isTransaction) file.exec('ROLLBACK');
        throw error;
      }
    },
    close,
  };
}

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

function readRow({ principal, memory }: { principal: unknown; memory: unknown }, fault: MemoryFault): [PrincipalName, LastingMemory][] {
  try {
    return [[parsePrincipalName(String(principal)), v.parse(lastingMemory, JSON.parse(String(memory)))]];
  } catch (error) {
    fault(`What is remembered of "${String(principal).slice(0, 100)}" cannot be read; it is left out`, error);
    return [];
  }
}
