// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';

/** Longest delay of one timer; a later deadline is looked at again then (Node's timers end at 24.8 days). */
const LONGEST_TIMER = 86_400_000;

/**
 * One timer for all deadlines of a connection. It is set when a deadline is earlier than what is already awaited; most calls end long
 * before theirs, and cost a comparison.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #scan: (now: number) => number;
  #timer: Timer | undefined;
  #armedAt = Infinity;
  #stopped = false;

  /** `scan(now)` ends whatever is due and returns the next deadline, or `Infinity`. */
  constructor(clock: Clock, scan: (now: number) => number) {
    this.#clock = clock;
    this.#scan = scan;
  }

  /** Makes sure that `scan` runs at `at` (monotonic), not before it. */
  watch(at: number): void {
    if (at >= this.#armedAt || this.#stopped) return;
    this.#timer?.clear();
    this.#armedAt = at;
    const wait = Math.min(Math.max(0, Math.ceil(at - this.#clock.monotonic())), LONGEST_TIMER);
    this.#timer = this.#clock.setTimer(wait, () => this.#onTimer());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.clear();
  }

  #onTimer(): void {
    this.#armedAt = Infinity;
    this.#timer = undefined;
    this.watch(this.#scan(this.#clock.monotonic()));
  }
}
