// SPDX-License-Identifier: Apache-2.0
import { labelText } from './series.ts';

/** Upper bounds in seconds: from an answer of our own to a model that thinks. */
const BOUNDS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

interface Counts {
  readonly buckets: number[];
  sum: number;
}

/** How long requests took, by service. Never more than `most` services: what comes later is counted under `other`. */
export class Histogram {
  readonly #most: number;
  readonly #byService = new Map<string, Counts>();

  constructor(most: number) {
    this.#most = most;
  }

  observe(service: string, seconds: number): void {
    const name = this.#byService.has(service) || this.#byService.size < this.#most ? service : 'other';
    let counts = this.#byService.get(name);
    if (counts === undefined) {
      counts = { buckets: BOUNDS.map(() => 0).concat(0), sum: 0 };
      this.#byService.set(name, counts);
    }
    const found = BOUNDS.findIndex((bound) => seconds <= bound);
    const index = found === -1 ? BOUNDS.length : found;
    counts.buckets[index] = (counts.buckets[index] ?? 0) + 1;
    counts.sum += seconds;
  }

  /** The lines of this metric in the Prometheus text format. */
  lines(name: string): string[] {
    return [...this.#byService].flatMap(([service, { buckets, sum }]) => {
      let total = 0;
      const lines = buckets.map((count, index) => {
        total += count;
        return `${name}_bucket${labelText({ service, le: String(BOUNDS[index] ?? '+Inf') })} ${total}`;
      });
      return [...lines, `${name}_sum${labelText({ service })} ${sum}`, `${name}_count${labelText({ service })} ${total}`];
    });
  }
}
