// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';

/** One task at a time for each principal, any number in parallel for different ones. */
export class PrincipalTurns {
  readonly #last = new Map<PrincipalName, Promise<unknown>>();

  /** Runs `task` after what is under way for this principal, whatever became of that. */
  run<Result>(principal: PrincipalName, task: () => Promise<Result>): Promise<Result> {
    const earlier = this.#last.get(principal) ?? Promise.resolve();
    const mine = earlier.then(task, task);
    this.#last.set(principal, mine);
    void mine
      .catch(() => undefined)
      .finally(() => {
        if (this.#last.get(principal) === mine) this.#last.delete(principal);
      });
    return mine;
  }

  /** Resolves when what is under way for this principal now has ended. Never rejects. */
  async settled(principal: PrincipalName): Promise<void> {
    await this.#last.get(principal)?.catch(() => undefined);
  }
}
