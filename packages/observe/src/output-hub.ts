// SPDX-License-Identifier: Apache-2.0
import { BureauError, type Clock } from '@bureau/core';
import { CONTROL_HIGH_WATER_BYTES, CONTROL_LOW_WATER_BYTES, OBSERVERS_MAX, OBSERVER_QUEUE_BYTES, RING_BYTES } from './limits.ts';
import { Observer, type ObserverMode, type Size } from './observer.ts';
import { OutputRing, type OutputRecord, type OutputSource } from './ring.ts';

/** How a hub tells its sources to wait and to go on. */
export interface HubOptions {
  readonly onPressure: (paused: boolean) => void;
}

/** Gives one payload's output to any number of observers, keeps the newest of it, and makes the payload wait for its `control` observer. */
export class OutputHub {
  readonly #ring = new OutputRing(RING_BYTES);
  readonly #observers = new Set<Observer>();
  readonly #onPressure: (paused: boolean) => void;
  readonly #controlled = Promise.withResolvers<void>();
  #size: Size | undefined;
  #paused = false;
  #ended = false;
  #progress: (() => void) | undefined;

  constructor(options: HubOptions) {
    this.#onPressure = options.onPressure;
  }

  /** Resolves when the first `control` observer is there. */
  get controlled(): Promise<void> {
    return this.#controlled.promise;
  }

  get observers(): number {
    return this.#observers.size;
  }

  /** The newest output, `most` bytes at most. */
  tail(most: number): OutputRecord[] {
    return this.#ring.tail(most).records;
  }

  /** Takes `data` over. */
  publish(from: OutputSource, data: Uint8Array): void {
    this.#ring.push(from, data);
    for (const observer of this.#observers) observer.push({ from, data });
    this.#balance();
  }

  resized(size: Size): void {
    this.#size = size;
    for (const observer of this.#observers) observer.resized(size);
  }

  /** A new observer, to be closed by the caller. Throws `control_taken` (one `control` at a time) and `too_many_observers`. */
  attach(options: { mode: ObserverMode; replay: number }): Observer {
    const { mode, replay } = options;
    if (this.#observers.size >= OBSERVERS_MAX) {
      throw new BureauError('too_many_observers', `This payload already has ${OBSERVERS_MAX} observers; detach one of them`, {
        data: { limit: OBSERVERS_MAX },
      });
    }
    if (mode === 'control' && this.#control !== undefined) {
      throw new BureauError('control_taken', 'Someone else controls this payload; attach with mode "observe", or wait until they detach');
    }
    const observer = new Observer({
      mode,
      past: this.#ring.tail(replay),
      size: this.#size,
      capacity: mode === 'control' ? Infinity : OBSERVER_QUEUE_BYTES,
      onTaken: () => this.#taken(observer),
    });
    if (this.#ended) observer.end();
    this.#observers.add(observer);
    if (mode === 'control') this.#controlled.resolve();
    return observer;
  }

  /** From now on the payload no longer waits for anyone: what is left of its output is small and already in kernel buffers. */
  release(): void {
    this.#ended = true;
    this.#balance();
  }

  /** The last byte was published: observers get what waits for them, then their end. */
  end(): void {
    this.release();
    for (const observer of this.#observers) observer.end();
  }

  /**
   * Waits until every observer has taken everything and let go. One that takes nothing for `pauseMilliseconds`, and all after
   * `totalMilliseconds`, are closed.
   */
  async drain(clock: Clock, pauseMilliseconds: number, totalMilliseconds: number): Promise<void> {
    const deadline = clock.monotonic() + totalMilliseconds;
    while (this.#observers.size > 0) {
      const left = Math.min(pauseMilliseconds, deadline - clock.monotonic());
      if (left <= 0 || !(await this.#progressWithin(clock, left))) break;
    }
    for (const observer of [...this.#observers]) observer.close();
  }

  get #control(): Observer | undefined {
    return [...this.#observers].find((observer) => observer.mode === 'control');
  }

  #taken(observer: Observer): void {
    if (observer.closed) this.#observers.delete(observer);
    this.#balance();
    this.#progress?.();
  }

  #balance(): void {
    const waiting = this.#ended ? 0 : (this.#control?.waiting ?? 0);
    const paused = this.#paused ? waiting > CONTROL_LOW_WATER_BYTES : waiting > CONTROL_HIGH_WATER_BYTES;
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#onPressure(paused);
  }

  #progressWithin(clock: Clock, milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (progress: boolean): void => {
        timer.clear();
        this.#progress = undefined;
        resolve(progress);
      };
      const timer = clock.setTimer(milliseconds, () => settle(false));
      this.#progress = () => settle(true);
    });
  }
}
