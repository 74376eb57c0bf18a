// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { PrincipalStatus } from '@bureau/protocol';

/** Follows one principal's status. */
export interface StatusFollower extends Disposable {
  /** What is said of it now; `undefined` when nothing is. */
  readonly current: PrincipalStatus | undefined;
  /** Resolves at the next change (or wake) with what is said then. */
  next(): Promise<PrincipalStatus | undefined>;
  /** Lets a pending `next` resolve without a change. */
  wake(): void;
}

/** Tells anyone who waits about the status of one principal. A follower sees the newest one, not each step between. */
export class StatusWatch {
  #statuses = new Map<PrincipalName, PrincipalStatus>();
  readonly #followers = new Set<{ principal: PrincipalName; wake: () => void }>();

  /** Takes what is said of all principals now. */
  update(statuses: readonly PrincipalStatus[]): void {
    const before = this.#statuses;
    this.#statuses = new Map(statuses.map((status) => [status.principal, status]));
    for (const { principal, wake } of this.#followers) {
      if (JSON.stringify(before.get(principal)) !== JSON.stringify(this.#statuses.get(principal))) wake();
    }
  }

  /** What is said of a principal now. */
  of(principal: PrincipalName): PrincipalStatus | undefined {
    return this.#statuses.get(principal);
  }

  follow(principal: PrincipalName): StatusFollower {
    const current = (): PrincipalStatus | undefined => this.#statuses.get(principal);
    let changed = false;
    let waiting: (() => void) | undefined;
    const wake = (): void => {
      changed = true;
      waiting?.();
    };
    const entry = { principal, wake };
    this.#followers.add(entry);
    return {
      get current(): PrincipalStatus | undefined {
        return current();
      },
      next: async () => {
        if (!changed) await new Promise<void>((resolve) => (waiting = resolve));
        changed = false;
        waiting = undefined;
        return current();
      },
      wake,
      [Symbol.dispose]: () => void this.#followers.delete(entry),
    };
  }
}
