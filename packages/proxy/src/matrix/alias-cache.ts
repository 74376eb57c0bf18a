// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';

interface Entry {
  readonly names: readonly string[];
  readonly until: number;
}

/** Which room an alias led to a moment ago, and which aliases a room had: bounded, least recently used goes first, nothing older than its time to live is given. */
export class AliasCache {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #milliseconds: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, most: number, milliseconds: number) {
    this.#clock = clock;
    this.#most = most;
    this.#milliseconds = milliseconds;
  }

  get(key: string): readonly string[] | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#clock.monotonic() >= entry.until) return undefined;
    this.#entries.set(key, entry);
    return entry.names;
  }

  set(key: string, names: readonly string[]): void {
    this.#entries.delete(key);
    this.#entries.set(key, { names, until: this.#clock.monotonic() + this.#milliseconds });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#most) break;
      this.#entries.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
