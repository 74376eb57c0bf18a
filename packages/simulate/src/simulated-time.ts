// SPDX-License-Identifier: Apache-2.0
import type { Timer } from '@bureau/core';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

/**
 * Time that moves from event to event. Everything that happens in a simulated world is one of its events; what is due at the same moment
 * happens in the order in which it was asked for.
 */
export class SimulatedTime {
  #now = 0;
  #order = 0;
  /** Latest first, so that the next one is taken from the end. */
  readonly #due: Due[] = [];

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** Has `task` done after `milliseconds`. */
  after(milliseconds: number, task: () => void): Timer {
    this.#order += 1;
    const due = { at: this.#now + Math.max(0, milliseconds), order: this.#order, task };
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#due[middle] as Due;
      if (other.at > due.at || (other.at === due.at && other.order > due.order)) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, due);
    return {
      clear: () => {
        const place = this.#due.indexOf(due);
        if (place >= 0) this.#due.splice(place, 1);
      },
    };
  }

  /** Does what is due next, and all that promises make of it. Answers false, and does nothing, when nothing is due until `end`. */
  async step(end: number): Promise<boolean> {
    const next = this.#due.at(-1);
    if (next === undefined || next.at > end) return false;
    this.#due.pop();
    this.#now = next.at;
    next.task();
    // No other thing waits in this loop: when its turn comes every promise that could be settled is.
    await new Promise(setImmediate);
    return true;
  }
}
