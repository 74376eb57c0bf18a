// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';

/** One command line that holds the life of a run. */
export interface RunLease {
  readonly principal: PrincipalName;
  readonly run: string;
  /** Wakes the one who reports to the command line. */
  wake(): void;
}

/** The command lines that are there right now, by run id. */
export class Runs {
  readonly #leases = new Map<string, RunLease>();

  /** Adds one; the returned handle removes it again. */
  hold(lease: RunLease): Disposable {
    this.#leases.set(lease.run, lease);
    return { [Symbol.dispose]: () => void this.#leases.delete(lease.run) };
  }

  /** The ids of all. */
  ids(): ReadonlySet<string> {
    return new Set(this.#leases.keys());
  }

  /** Whether a command line already holds this principal. */
  holds(principal: PrincipalName): boolean {
    return [...this.#leases.values()].some((lease) => lease.principal === principal);
  }

  wakeAll(): void {
    for (const lease of this.#leases.values()) lease.wake();
  }
}
