// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import { BureauError, hasCode, type InstanceName } from '@bureau/core';
import { ensureDirectory, readBounded, writeFileAtomic } from '@bureau/files';
import { tryLockFile } from '@bureau/native';
import { ACCOUNTS_FILE_MAX_BYTES, UIDS_FILE_MAX_BYTES, UIDS_LOCK_INTERVAL, UIDS_LOCK_WAIT } from './limits.ts';
import { UIDS_FILE } from './paths.ts';
import {
  accountNumbers,
  collision,
  formatUidRecords,
  freeBase,
  parseUidRecords,
  subordinateRanges,
  type TakenRange,
} from './uid-ranges.ts';

/** Where the record and the machine's accounts are; tests put their own. */
export interface AllocateOptions {
  readonly uidsFile?: string;
  /** Holds passwd, group, subuid, subgid. */
  readonly accountsDirectory?: string;
  /** Milliseconds to wait for another process that allocates. */
  readonly lockWait?: number;
}

/**
 * The first uid of an instance's range: the recorded one, or a free one, which is on disk when this returns. Needs root.
 *
 * Throws `uids_malformed` (a line is corrupt), `uid_collision` (an account or subordinate range now lies in the recorded range),
 * `uids_busy` (another process holds the lock), `uids_exhausted`.
 */
export function allocateUidBase(name: InstanceName, options: AllocateOptions = {}): number {
  const path = options.uidsFile ?? UIDS_FILE;
  ensureDirectory(dirname(path), { mode: 0o755, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 });
  using _lock = lockRecords(path, options.lockWait ?? UIDS_LOCK_WAIT);
  const records = readRecords(path);
  const taken = takenRanges(options.accountsDirectory ?? '/etc');
  const recorded = records.get(name);
  if (recorded !== undefined) {
    refuseCollision(path, recorded, collision(recorded, taken));
    return recorded;
  }
  const base = freeBase(records, taken);
  records.set(name, base);
  writeFileAtomic(path, formatUidRecords(records), { mode: 0o644 });
  return base;
}

/**
 * Gives an instance's range back; nothing happens when it has none. Only after every file of the instance is gone: the next instance
 * gets the same uids. Throws like {@link allocateUidBase}.
 */
export function releaseUidBase(name: InstanceName, options: AllocateOptions = {}): void {
  const path = options.uidsFile ?? UIDS_FILE;
  ensureDirectory(dirname(path), { mode: 0o755, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 });
  using _lock = lockRecords(path, options.lockWait ?? UIDS_LOCK_WAIT);
  const records = readRecords(path);
  if (records.delete(name)) writeFileAtomic(path, formatUidRecords(records), { mode: 0o644 });
}

function readRecords(path: string): Map<InstanceName, number> {
  return parseUidRecords(readText(path, UIDS_FILE_MAX_BYTES), path);
}

/** Who holds it needs a few milliseconds; this call is synchronous, so it looks again instead of being told. */
function lockRecords(path: string, wait: number): Disposable {
  const deadline = performance.now() + wait;
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const lock = tryLockFile(`${path}.lock`);
    if (lock !== null) return lock;
    if (performance.now() >= deadline) {
      throw new BureauError(
        'uids_busy',
        `Cannot lock ${path}.lock: another process has held it for ${wait} ms; see which (fuser ${path}.lock), and try again`,
        { data: { path } },
      );
    }
    Atomics.wait(never, 0, 0, UIDS_LOCK_INTERVAL);
  }
}

function takenRanges(directory: string): TakenRange[] {
  const file = (name: string): [string, string] => [readText(`${directory}/${name}`, ACCOUNTS_FILE_MAX_BYTES), `${directory}/${name}`];
  return [
    ...accountNumbers(...file('passwd')),
    // Our processes' groups have their uids' numbers.
    ...accountNumbers(...file('group')),
    ...subordinateRanges(...file('subuid')),
    ...subordinateRanges(...file('subgid')),
  ];
}

function readText(path: string, maxBytes: number): string {
  try {
    return readBounded(path, maxBytes).toString('latin1');
  } catch (error) {
    if (hasCode(error, 'file_missing')) return '';
    throw error;
  }
}

function refuseCollision(path: string, base: number, taken: TakenRange | undefined): void {
  if (taken === undefined) return;
  throw new BureauError(
    'uid_collision',
    `Cannot use the uids from ${base} on, which ${path} records for this instance: ${taken.source} has ${taken.first === taken.last ? taken.first : `${taken.first} to ${taken.last}`}. ` +
      'Move that account or range; or remove the instance with its state (script/down --purge) and make it again, which takes a free range',
    { data: { base, source: taken.source } },
  );
}
