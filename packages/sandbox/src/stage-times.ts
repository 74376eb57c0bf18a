// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { FaultPoint, FaultPoints } from './faults.ts';

/** When each step of one create or destroy was taken, for the log: where the time goes is asked after the fact. */
export class StageTimes implements FaultPoints {
  readonly #clock: Clock;
  readonly #next: FaultPoints;
  readonly #started: number;
  readonly #reached: [FaultPoint, number][] = [];

  constructor(clock: Clock, next: FaultPoints) {
    this.#clock = clock;
    this.#next = next;
    this.#started = clock.monotonic();
  }

  reached(point: FaultPoint): void {
    this.#reached.push([point, this.#clock.monotonic() - this.#started]);
    this.#next.reached(point);
  }

  /** Milliseconds from the beginning to each step so far, in their order, without the `create.` or `destroy.` before each. */
  get milliseconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#reached.map(([point, at]) => [point.slice(point.indexOf('.') + 1), Math.round(at * 10) / 10]));
  }
}
