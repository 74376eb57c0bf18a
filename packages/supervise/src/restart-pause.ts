// SPDX-License-Identifier: Apache-2.0
import { RESTART_FORGET_AFTER, RESTART_PAUSE_FIRST, RESTART_PAUSE_LONGEST } from './limits.ts';

/**
 * The pause before the next start of a service that ended by itself: doubles from try to try, and starts over once the service
 * has run for a while.
 *
 * @param earlier the pause before the start that has just ended; 0 when there was none
 * @param ranMilliseconds how long the service ran
 */
export function nextRestartPause(earlier: number, ranMilliseconds: number): number {
  if (earlier === 0 || ranMilliseconds >= RESTART_FORGET_AFTER) return RESTART_PAUSE_FIRST;
  return Math.min(earlier * 2, RESTART_PAUSE_LONGEST);
}
