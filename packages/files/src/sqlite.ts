// SPDX-License-Identifier: Apache-2.0
/**
 * SQLite files that a process outlives. An entry of its own: the root launcher uses `@bureau/files`, and must not contain a database
 * (`script/check ledger` sees to it).
 *
 * @example
 * ```ts
 * import { SqliteFile } from '@bureau/files/sqlite';
 *
 * const file = new SqliteFile({
 *   path: '/tmp/bureau-example.sqlite',
 *   schema: 'CREATE TABLE IF NOT EXISTS seen (event TEXT PRIMARY KEY) STRICT',
 *   afterPowerFailure: 'all',
 * });
 * file.transaction((database) => database.prepare('INSERT OR IGNORE INTO seen VALUES (?)').run('$event'));
 * file.close();
 * ```
 */
export { isSqliteDamage } from './sqlite-damage.ts';
export { SqliteFile } from './sqlite-file.ts';
export type { SqliteFileOptions } from './sqlite-file.ts';
