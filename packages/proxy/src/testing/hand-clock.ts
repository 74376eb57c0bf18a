// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';

/** Time that moves only when the test says so; timers are called in their order. */
export class HandClock implements Clock {
  #time = Date.UTC(2026, 0);
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#time;
  }

  monotonic(): number {
    return this.#time;
  }

  setTimer(milliseconds: number, callback: () => void): Timer {
    const timer = { at: this.#time + milliseconds, callback };
    this.#timers.add(timer);
    return { clear: () => void this.#timers.delete(timer) };
  }

  advance(milliseconds: number): void {
    const end = this.#time + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).toSorted((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#time = next.at;
      next.callback();
    }
    this.#time = end;
  }
}
