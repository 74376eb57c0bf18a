// SPDX-License-Identifier: Apache-2.0
import type { Clock } from './clock.ts';

/** When each step of something was taken, for a log: where the time went is asked after the fact. */
export class StageTimes {
  readonly #clock: Clock;
  readonly #started: number;
  readonly #reached: [stage: string, at: number][] = [];

  /** The time runs from now on. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#started = clock.monotonic();
  }

  reached(stage: string): void {
    this.#reached.push([stage, this.#clock.monotonic() - this.#started]);
  }

  /** Milliseconds from the beginning to each stage so far, to a tenth, in their order. */
  get milliseconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#reached.map(([stage, at]) => [stage, Math.round(at * 10) / 10]));
  }
}
