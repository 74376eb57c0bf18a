// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { ExitReport } from '@bureau/protocol';
import type { Payload, PayloadWatcher } from './fake-machine.ts';
import type { Judge } from './judge.ts';
import type { LauncherDisk } from './launcher-disk.ts';

/** Keeps the books of what has ended for good, by the generation and the policy that its environment names. */
export class CompletedJobs implements PayloadWatcher {
  readonly #judge: Judge;
  readonly #completed = new Map<PrincipalName, { readonly id: string; readonly generation: number }>();
  /** The newest generation of what runs once that has begun. */
  readonly #begun = new Map<PrincipalName, number>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** The newest generation of a principal that has ended for good. */
  generationOf(principal: PrincipalName): number | undefined {
    return this.#completed.get(principal)?.generation;
  }

  /** Its assignment was taken back: what runs until it succeeds may be begun by an old view of the rooms; what runs once may not. */
  removed(principal: PrincipalName): void {
    this.#completed.delete(principal);
  }

  started({ principal, id, spec }: Payload): void {
    const { RESTART: restart, GENERATION } = spec.environment;
    const generation = Number(GENERATION);
    if (restart === 'always') return;
    const done = this.#completed.get(principal);
    const fault = (why: string): void =>
      this.#judge.violated('completed stays completed', `${principal} runs generation ${generation} as ${id}, and ${why}`);
    if (done !== undefined && generation <= done.generation) fault(`${done.id} has ended generation ${done.generation} for good`);
    if (restart !== 'never') return;
    const begun = this.#begun.get(principal) ?? -1;
    if (generation <= begun) fault(`what runs once has begun generation ${begun}`);
    this.#begun.set(principal, generation);
  }

  ended({ principal, id, spec }: Payload, exit: ExitReport): void {
    const { RESTART: restart, GENERATION: generation } = spec.environment;
    const isForGood = exit.code !== null && (restart === 'never' || (restart === 'on-failure' && exit.code === 0));
    if (isForGood) this.#completed.set(principal, { id, generation: Number(generation) });
  }

  /** What no disk knows never was. */
  powerCut(disk: LauncherDisk): void {
    for (const [principal, { id }] of this.#completed) {
      const record = disk.records.get(principal);
      if (record?.id === id && record.exit === undefined) this.#completed.delete(principal);
    }
  }
}
