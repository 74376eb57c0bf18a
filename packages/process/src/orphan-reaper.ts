// SPDX-License-Identifier: Apache-2.0
import { reapChild } from '@bureau/native';
import { readProcesses } from './process-table.ts';

/**
 * Collects dead orphans of a subreaper (`setChildSubreaper`), which Node knows nothing of and never waits for.
 *
 * `knownChildren` must name the pid of *every* child that Node itself spawned and whose exit event has not come yet: collecting one of
 * those would swallow its exit code, and its exit event would never come. That is why it never waits for "any child".
 */
export class OrphanReaper {
  readonly #knownChildren: () => Iterable<number>;

  constructor(knownChildren: () => Iterable<number>) {
    this.#knownChildren = knownChildren;
  }

  /** Collects the orphans that have ended by now and returns their pids. Call it on SIGCHLD, or from time to time. Does not block. */
  reap(): number[] {
    const known = new Set(this.#knownChildren());
    return readProcesses()
      .filter((entry) => entry.zombie && entry.parent === process.pid && !known.has(entry.pid))
      .map((entry) => entry.pid)
      .filter((pid) => reapChild(pid));
  }
}
