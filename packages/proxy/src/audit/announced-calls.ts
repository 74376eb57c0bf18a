// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';

/**
 * Calls that a person announced on the admin socket before making them on the agent's: the trace id is 128 random bits, which the
 * agent does not know, so that it cannot pass its own calls off as a person's, nor a person's as its own.
 */
export class AnnouncedCalls {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #milliseconds: number;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock, most: number, milliseconds: number) {
    this.#clock = clock;
    this.#most = most;
    this.#milliseconds = milliseconds;
  }

  /** The oldest announcement is forgotten when there are too many. */
  announce(traceId: string): void {
    const [oldest] = this.#until.keys();
    if (this.#until.size >= this.#most && oldest !== undefined) this.#until.delete(oldest);
    this.#until.set(traceId, this.#clock.monotonic() + this.#milliseconds);
  }

  /** True for the first request that carries an announced trace, in time. */
  take(traceId: string): boolean {
    const until = this.#until.get(traceId);
    if (until === undefined) return false;
    this.#until.delete(traceId);
    return this.#clock.monotonic() <= until;
  }
}
