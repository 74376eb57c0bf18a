// SPDX-License-Identifier: Apache-2.0
import { describeError, type PrincipalName } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { Desired } from './desired.ts';
import type { MemoryKeeper } from './memory-keeper.ts';

export interface DeparturesDeps {
  readonly memory: MemoryKeeper;
  readonly logger: Logger;
  /** Resolves when what is read of the rooms is what they say now; throws while that cannot be known. */
  readonly confirm: () => Promise<void>;
  /** What the rooms want, read now. */
  readonly desired: () => readonly Desired[];
  readonly onChange: () => void;
}

/**
 * Forgets principals that are neither wanted nor there: at once what may be lost, and what must last (`kept`) only when the rooms have
 * confirmed it, and then not yet: the rooms as this disk has them may still hold the assignment, and a daemon that starts with them must not
 * begin it anew. So it is marked with the assignment that was taken away, and dropped by a later daemon.
 */
export class Departures {
  readonly #deps: DeparturesDeps;
  /** The assignment event of each principal that was seen last. */
  readonly #lastEvents = new Map<PrincipalName, string>();
  /** Marked in this daemon's life. */
  readonly #marked = new Set<PrincipalName>();
  #confirming = false;

  constructor(deps: DeparturesDeps) {
    this.#deps = deps;
  }

  /** Takes what is wanted now, and who is there or busy besides. */
  note(desired: readonly Desired[], others: Iterable<PrincipalName>): void {
    const { memory } = this.#deps;
    const here = new Set<PrincipalName>(others);
    for (const { principal, event } of desired) {
      here.add(principal);
      this.#lastEvents.set(principal, event);
      this.#marked.delete(principal);
    }
    const lasting: PrincipalName[] = [];
    for (const [principal, { kept }] of memory.all) if (kept !== undefined && !here.has(principal)) lasting.push(principal);
    memory.retain(new Set([...here, ...lasting]));
    const open = lasting.filter((principal) => !this.#marked.has(principal));
    if (open.length > 0 && !this.#confirming) void this.#settle(open);
  }

  async #settle(principals: readonly PrincipalName[]): Promise<void> {
    const { memory, logger, confirm, desired, onChange } = this.#deps;
    this.#confirming = true;
    try {
      await confirm();
      const wanted = new Set(desired().map(({ principal }) => principal));
      const dropped = new Set<PrincipalName>();
      for (const principal of principals) if (!wanted.has(principal) && !this.#mark(principal)) dropped.add(principal);
      memory.retain(new Set([...memory.all.keys()].filter((principal) => !dropped.has(principal))));
      onChange();
    } catch (error) {
      logger.info({ error: describeError(error) }, 'what is remembered of principals that are gone stays until the rooms confirm it');
    } finally {
      this.#confirming = false;
    }
  }

  /** False: there is nothing to mark, or an earlier daemon did. */
  #mark(principal: PrincipalName): boolean {
    const { kept } = this.#deps.memory.of(principal);
    const event = this.#lastEvents.get(principal);
    if (kept === undefined || kept.removed !== undefined || event === undefined) return false;
    this.#deps.memory.keep(principal, { ...kept, removed: event });
    this.#marked.add(principal);
    return true;
  }
}
