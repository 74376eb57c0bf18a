// SPDX-License-Identifier: Apache-2.0
import { StageTimes, type Clock } from '@bureau/core';
import type { FaultPoint, FaultPoints } from './faults.ts';

/** The times of one create or destroy, for the log; each step is told on. */
export class LifecycleTimes implements FaultPoints {
  readonly #times: StageTimes;
  readonly #next: FaultPoints;
  readonly #cancel: AbortSignal | undefined;

  /** `cancel`: aborted, the next step throws its reason. */
  constructor(clock: Clock, next: FaultPoints, cancel?: AbortSignal) {
    this.#cancel = cancel;
    this.#times = new StageTimes(clock);
    this.#next = next;
  }

  reached(point: FaultPoint): void {
    this.#times.reached(point.slice(point.indexOf('.') + 1));
    this.#next.reached(point);
    this.#cancel?.throwIfAborted();
  }

  /** Milliseconds from the beginning to each step so far, in their order, without the `create.` or `destroy.` before each. */
  get milliseconds(): Readonly<Record<string, number>> {
    return this.#times.milliseconds;
  }
}
