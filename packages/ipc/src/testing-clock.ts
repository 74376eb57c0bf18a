// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';

/** The machine's time, for tests of this layer (`@bureau/process` has the real one, beside us). */
export const machineClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds).unref();
    return { clear: () => clearTimeout(timer) };
  },
};
