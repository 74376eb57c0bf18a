// SPDX-License-Identifier: Apache-2.0
import { StageTimes, type Clock } from '@bureau/core';
import type { FaultPoint, FaultPoints } from './faults.ts';

/** The times of one create or destroy, for the log; each step is told on. */
export class LifecycleTimes implements FaultPoints {
  readonly #times: StageTimes;
  readonly #next: FaultPoints;

  constructor(clock: Clock, next: FaultPoints) {
    this.#times = new StageTimes(clock);
    this.#next = next;
  }

  reached(point: FaultPoint): void {
    this.#times.reached(point.slice(point.indexOf('.') + 1));
    this.#next.reached(point);
  }

  /** Milliseconds from the beginning to each step so far, in their order, without the `create.` or `destroy.` before each. */
  get milliseconds(): Readonly<Record<string, number>> {
    return this.#times.milliseconds;
  }
}
