// SPDX-License-Identifier: Apache-2.0
/**
 * Files that are whole or absent: atomic writes that are on disk when they return, reads with a bound, directories with an exact
 * owner and mode. Synchronous: small files, and state must be on disk before the next step.
 *
 * @example
 * ```ts
 * import * as v from 'valibot';
 * import { readJson, writeFileAtomic } from '@bureau/files';
 *
 * writeFileAtomic('/tmp/bureau-example.json', '{"v":1}\n', { mode: 0o600 });
 * const state = readJson('/tmp/bureau-example.json', v.strictObject({ v: v.literal(1) }), 4_096);
 * // state.v === 1
 * ```
 */
export { writeFileAtomic } from './atomic-write.ts';
export type { WriteOptions } from './atomic-write.ts';
export { readBounded } from './bounded-read.ts';
export type { ReadOptions } from './bounded-read.ts';
export { readJson } from './json.ts';
export { ensureDirectory } from './directory.ts';
export type { DirectoryOptions } from './directory.ts';
export { cutLogFile, openLogFile } from './log-file.ts';
export { settleFile } from './settle-file.ts';
export { replaceSymlink } from './symlink.ts';
