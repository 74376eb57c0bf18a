// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { PrincipalStatus } from '@bureau/protocol';
import type { Judge } from './judge.ts';

/** Keeps the books of who was in quarantine how often, and how often people were told. */
export class Quarantines {
  readonly #judge: Judge;
  readonly #states = new Map<PrincipalName, string>();
  readonly #begun = new Map<PrincipalName, number>();
  readonly #told = new Map<PrincipalName, number>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Takes what a daemon says of all principals. */
  update(statuses: readonly PrincipalStatus[]): void {
    for (const { principal, state } of statuses) {
      if (state === 'quarantined' && this.#states.get(principal) !== state)
        this.#begun.set(principal, (this.#begun.get(principal) ?? 0) + 1);
      this.#states.set(principal, state);
    }
  }

  /** Takes a message that has come to the room. */
  tell(content: unknown): void {
    const { body = '', event } = content as { body?: string; event?: string };
    if (event !== 'quarantined') return;
    for (const [principal, begun] of this.#begun) {
      if (!(body.split(/ (?:is|are) in quarantine/)[0] ?? '').split(/, | /).includes(principal)) continue;
      const told = (this.#told.get(principal) ?? 0) + 1;
      this.#told.set(principal, told);
      if (told > begun)
        this.#judge.violated('one notification', `${principal} was in quarantine ${begun} times, and people were told ${told} times`);
    }
  }

  /** Whether people were told of it at all. */
  isTold(principal: PrincipalName): boolean {
    return this.#told.has(principal);
  }
}
