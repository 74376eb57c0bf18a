// SPDX-License-Identifier: Apache-2.0

/** A timer that ends by itself or by `clear`. */
export interface Timer {
  clear(): void;
}

/** Time, injected: real in `main.ts`, driven by hand in tests. */
export interface Clock {
  /** Milliseconds since the Unix epoch (wall clock; may jump). */
  now(): number;
  /** Milliseconds that only go forward; for durations and deadlines. */
  monotonic(): number;
  /** Calls `callback` once after `milliseconds`. A pending timer does not keep the process alive. */
  setTimer(milliseconds: number, callback: () => void): Timer;
}

/** Resolves after `milliseconds`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const onAbort = (): void => {
      timer.clear();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(milliseconds, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** What `promise` resolves to, or `undefined` when it has not within `milliseconds`; no timer is left behind. Rejects as it does. */
export function within<Value>(clock: Clock, milliseconds: number, promise: Promise<Value>): Promise<Value | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = clock.setTimer(milliseconds, () => late.resolve(undefined));
  return Promise.race([promise, late.promise]).finally(() => timer.clear());
}
