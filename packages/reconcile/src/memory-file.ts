// SPDX-License-Identifier: Apache-2.0
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import { isSqliteDamage, SqliteFile } from '@bureau/files/sqlite';
import * as v from 'valibot';
import { lastingMemory, type LastingMemory, type MemoryStore } from './memory.ts';

/** Told what went wrong with the file; nothing of it stops the machine. */
export type MemoryFault = (what: string, error: unknown) => void;

/** Lasting memory in an SQLite file, one row for each principal. */
export interface MemoryFile extends MemoryStore {
  /** Idempotent; a later `save` opens the file again. */
  close(): void;
}

const SCHEMA = 'CREATE TABLE IF NOT EXISTS memory (principal TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT';

/**
 * A store on this file, which is made by the first use. One that is damaged is moved to `PATH.damaged` and a new one begun; one that
 * cannot be opened (a full disk) is left alone, and `save` throws until it can.
 */
export function openMemoryFile(path: string, fault: MemoryFault): MemoryFile {
  const file = new SqliteFile({ path, schema: SCHEMA, afterPowerFailure: 'all' });
  const rows = (): { principal: unknown; memory: unknown }[] =>
    file
      .open()
      .prepare('SELECT principal, memory FROM memory')
      .all()
      .map((row) => ({ principal: row['principal'], memory: row['memory'] }));
  const putAside = (): void => {
    try {
      file.moveAside();
    } catch (error) {
      fault(`What is remembered of principals (${path}) cannot be moved aside; going on without it`, error);
    }
  };
  return {
    load: () => {
      try {
        return new Map(rows().flatMap((row) => readRow(row, fault)));
      } catch (error) {
        file.close();
        if (isSqliteDamage(error)) {
          fault(`What is remembered of principals (${path}) cannot be read; it is moved aside`, error);
          putAside();
        } else fault(`What is remembered of principals (${path}) cannot be opened; going on without it`, error);
        return new Map();
      }
    },
    save: (changes) =>
      file.transaction((database) => {
        const write = database.prepare('INSERT INTO memory VALUES (?, ?) ON CONFLICT (principal) DO UPDATE SET memory = excluded.memory');
        const remove = database.prepare('DELETE FROM memory WHERE principal = ?');
        for (const [principal, memory] of changes) {
          if (memory === undefined) remove.run(principal);
          else write.run(principal, JSON.stringify(memory));
        }
      }),
    close: () => file.close(),
  };
}

function readRow({ principal, memory }: { principal: unknown; memory: unknown }, fault: MemoryFault): [PrincipalName, LastingMemory][] {
  try {
    return [[parsePrincipalName(String(principal)), v.parse(lastingMemory, JSON.parse(String(memory)))]];
  } catch (error) {
    fault(`What is remembered of "${String(principal).slice(0, 100)}" cannot be read; it is left out`, error);
    return [];
  }
}
