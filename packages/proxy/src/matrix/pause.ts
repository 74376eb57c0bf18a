// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';

/** Resolves after `milliseconds`; rejects with the signal's reason as soon as that is aborted. */
export function pause(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      timer.clear();
      reject(signal.reason as Error);
    };
    const timer = clock.setTimer(milliseconds, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
