// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';
import { QUIET_LATEST_MILLISECONDS, QUIET_MILLISECONDS } from './lifecycle-limits.ts';

/**
 * Tells when no start is under way, to what can wait a moment: the processors are the payloads' while they start. Of fifty starts at once
 * the first command runs when it can and not when the fiftieth proxy is up.
 */
export class QuietMoment {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #starts = 0;
  /** On the monotonic clock: when the payloads that may run by now have had the processors for their own starts. */
  #busyUntil = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A start begins; what comes back ends it, once, and says whether its payload runs now. */
  begin(): (runs: boolean) => void {
    this.#starts += 1;
    this.#timer?.clear();
    let isOver = false;
    return (runs) => {
      if (isOver) return;
      isOver = true;
      this.#starts -= 1;
      const now = this.#clock.monotonic();
      if (runs) this.#busyUntil = Math.min(Math.max(this.#busyUntil, now) + QUIET_MILLISECONDS, now + QUIET_LATEST_MILLISECONDS);
      this.#settle();
    };
  }

  /**
   * Resolves when no start is under way and each has had `QUIET_MILLISECONDS`, at the latest `QUIET_LATEST_MILLISECONDS` from now, and at once when
   * `hurry` is aborted.
   */
  wait(hurry?: AbortSignal): Promise<void> {
    if (hurry?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        latest.clear();
        this.#waiting.delete(done);
        hurry?.removeEventListener('abort', done);
        resolve();
      };
      const latest = this.#clock.setTimer(QUIET_LATEST_MILLISECONDS, done);
      this.#waiting.add(done);
      hurry?.addEventListener('abort', done, { once: true });
      this.#settle();
    });
  }

  #settle(): void {
    if (this.#starts > 0 || this.#waiting.size === 0) return;
    this.#timer?.clear();
    this.#timer = this.#clock.setTimer(Math.max(0, this.#busyUntil - this.#clock.monotonic()), () => {
      for (const done of [...this.#waiting]) done();
    });
  }
}
