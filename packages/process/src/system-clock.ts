// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';
import { TIMER_MAX_MILLISECONDS } from './limits.ts';

function setTimer(milliseconds: number, callback: () => void): Timer {
  let pending: NodeJS.Timeout;
  const arm = (left: number): void => {
    const now = Math.min(left, TIMER_MAX_MILLISECONDS);
    pending = setTimeout(() => (left > now ? arm(left - now) : callback()), now).unref();
  };
  arm(milliseconds);
  return { clear: () => clearTimeout(pending) };
}

/** The real time of this machine. Its timers do not keep the process alive. */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer,
});
