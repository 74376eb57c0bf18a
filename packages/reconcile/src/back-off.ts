// SPDX-License-Identifier: Apache-2.0
import type { AssignmentContent, ExitReport } from '@bureau/protocol';
import { BACK_OFF_FIRST, BACK_OFF_FORGET_AFTER, BACK_OFF_LONGEST } from './limits.ts';

/** Milliseconds before the next start after `quickExits` ends in a row that came soon after their start. */
export function backOffPause(quickExits: number): number {
  return Math.min(BACK_OFF_FIRST * 2 ** Math.min(quickExits, 20), BACK_OFF_LONGEST);
}

/** How many quick ends in a row there are now. */
export function countQuickExits(earlier: number, ranMilliseconds: number): number {
  return ranMilliseconds >= BACK_OFF_FORGET_AFTER ? 0 : earlier + 1;
}

/** Whether a payload that ended this way is started again. */
export function shallRestart(policy: AssignmentContent['restart'], exit: ExitReport | undefined): boolean {
  switch (policy) {
    case 'always':
      return true;
    case 'on-failure':
      return exit?.code !== 0;
    case 'never':
      return false;
  }
}
