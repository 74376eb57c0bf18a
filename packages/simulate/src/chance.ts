// SPDX-License-Identifier: Apache-2.0

/** A stream of numbers that a seed and a label decide: the same two, the same numbers, on every machine. mulberry32. */
export class Chance {
  readonly #seed: number;
  #state: number;

  constructor(seed: number, label = '') {
    this.#seed = seed;
    this.#state = hash(`${seed} ${label}`);
  }

  /** A stream of its own, so that what one part of the world draws does not move what another gets. */
  of(label: string): Chance {
    return new Chance(this.#seed, label);
  }

  /** 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  happens(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.integer(0, values.length - 1)] as Value;
  }

  /** Mostly short, now and then long: what a loaded machine does. */
  delay(usual: number, longest: number): number {
    return this.happens(0.1) ? this.integer(0, longest) : this.integer(0, usual);
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value;
}
