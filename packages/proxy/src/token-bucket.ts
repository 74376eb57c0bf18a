// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';

/** What a bucket holds and how fast it fills; both may change while it is in use. */
export interface BucketRates {
  readonly perSecond: number;
  readonly burst: number;
}

/** Starts full, fills by the monotonic clock, never holds more than its burst; may be overdrawn by `spend`. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #rates: () => BucketRates;
  #tokens: number;
  #filledAt: number;

  constructor(clock: Clock, rates: () => BucketRates) {
    this.#clock = clock;
    this.#rates = rates;
    this.#tokens = rates().burst;
    this.#filledAt = clock.monotonic();
  }

  /** Takes `amount` at once, whatever is left afterwards. */
  spend(amount: number): void {
    this.#fill();
    this.#tokens -= amount;
  }

  /** Milliseconds until the bucket holds `amount`; 0 when it does now. */
  waitFor(amount: number): number {
    this.#fill();
    const missing = amount - this.#tokens;
    return missing <= 0 ? 0 : Math.ceil((missing / this.#rates().perSecond) * 1_000);
  }

  #fill(): void {
    const { perSecond, burst } = this.#rates();
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1_000) * perSecond);
    this.#filledAt = now;
  }
}
