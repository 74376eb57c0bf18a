// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock, type Timer } from '@bureau/core';
import type { MachineLoadContent } from '@bureau/protocol';
import {
  CPU_BAND,
  LOAD_FIRST_MILLISECONDS,
  LOAD_SAMPLE_MILLISECONDS,
  LOAD_SILENCE_MILLISECONDS,
  MEMORY_BAND,
  PRINCIPAL_CPU_BAND,
  PRINCIPAL_MEMORY_BAND,
} from './limits.ts';

export interface LoadReporterDeps {
  readonly clock: Clock;
  readonly measure: () => MachineLoadContent;
  readonly publish: (load: MachineLoadContent) => Promise<void>;
  /** Told the first of several failures in a row, in words. */
  readonly onFailure: (message: string) => void;
}

/**
 * Looks at the load every minute and publishes it when it is news, or when nothing was said for ten minutes. What could not be published
 * is old by the time that the homeserver is back: the next look is what is sent then.
 */
export class LoadReporter {
  readonly #deps: LoadReporterDeps;
  #published: { readonly at: number; readonly load: MachineLoadContent } | undefined;
  #timer: Timer | undefined;
  #failing = false;
  #stopped = false;

  constructor(deps: LoadReporterDeps) {
    this.#deps = deps;
  }

  /** Begins; the first look is a moment from now. */
  start(): void {
    this.#later(LOAD_FIRST_MILLISECONDS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.clear();
  }

  async #look(): Promise<void> {
    const { clock, measure, publish, onFailure } = this.#deps;
    try {
      const load = measure();
      const silence = this.#published === undefined ? Infinity : clock.monotonic() - this.#published.at;
      if (silence >= LOAD_SILENCE_MILLISECONDS || isNews(this.#published?.load, load)) {
        await publish(load);
        this.#published = { at: clock.monotonic(), load };
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) onFailure(describeError(error));
      this.#failing = true;
    }
    if (!this.#stopped) this.#later(LOAD_SAMPLE_MILLISECONDS);
  }

  #later(milliseconds: number): void {
    this.#timer = this.#deps.clock.setTimer(milliseconds, () => void this.#look());
  }
}

/** Whether `now` is worth an event after `said`: beyond a dead band, or another set of principals. Pure. */
export function isNews(said: MachineLoadContent | undefined, now: MachineLoadContent): boolean {
  if (said === undefined) return true;
  if (said.sandboxes.running !== now.sandboxes.running || said.sandboxes.waiting !== now.sandboxes.waiting) return true;
  if (Math.abs(said.cpuPercent - now.cpuPercent) > CPU_BAND) return true;
  if (Math.abs(said.memoryUsedBytes - now.memoryUsedBytes) > MEMORY_BAND) return true;
  const before = new Map(said.principals.map((each) => [each.principal, each]));
  if (before.size !== now.principals.length) return true;
  return now.principals.some(({ principal, cpuPercent, memoryBytes }) => {
    const known = before.get(principal);
    return (
      known === undefined ||
      Math.abs(known.cpuPercent - cpuPercent) > PRINCIPAL_CPU_BAND ||
      Math.abs(known.memoryBytes - memoryBytes) > PRINCIPAL_MEMORY_BAND
    );
  });
}
