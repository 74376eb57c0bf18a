// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** When a test that is not part of every `script/test` passed last, and of which sources. */
export interface PassedFault {
  /** `2026-11-21`. */
  readonly on: string;
  /** The commit that was checked out; `, changed` when something else lay beside it. */
  readonly commit: string;
  readonly seconds: number;
}

/** The record, relative to the root. */
export const PASSED_FAULTS_FILE = 'docs/reference/faults-passed.json';

/** What is on record, by the title of the test; empty where nothing is. */
export function readPassedFaults(root: string): Readonly<Record<string, PassedFault>> {
  const path = join(root, PASSED_FAULTS_FILE);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, PassedFault>) : {};
}

/** Adds tests that passed to the record, sorted by title, and takes those out that did not. */
export function recordPassedFaults(root: string, passed: Readonly<Record<string, PassedFault>>, failed: readonly string[]): void {
  const all = Object.entries({ ...readPassedFaults(root), ...passed }).filter(([title]) => !failed.includes(title));
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(join(root, PASSED_FAULTS_FILE), `${JSON.stringify(sorted, undefined, 2)}\n`);
}
