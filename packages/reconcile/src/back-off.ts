// SPDX-License-Identifier: Apache-2.0
import type { AssignmentContent, ExitReport } from '@bureau/protocol';
import {
  ACTION_RETRY_LONGEST_MILLISECONDS,
  ACTION_RETRY_MILLISECONDS,
  BACK_OFF_FIRST,
  BACK_OFF_FORGET_AFTER,
  BACK_OFF_LONGEST,
  QUARANTINE_EXITS,
} from './limits.ts';

/** Milliseconds before the next start after `quickExits` ends in a row that came soon after their start. */
export function backOffPause(quickExits: number): number {
  return Math.min(BACK_OFF_FIRST * 2 ** Math.min(quickExits, 20), BACK_OFF_LONGEST);
}

/** Milliseconds before an action is tried again that has failed `times` in a row. */
export function retryPause(times: number): number {
  return Math.min(ACTION_RETRY_MILLISECONDS * 2 ** Math.min(times - 1, 20), ACTION_RETRY_LONGEST_MILLISECONDS);
}

/** How many quick ends in a row there are now. */
export function countQuickExits(earlier: number, ranMilliseconds: number): number {
  return ranMilliseconds >= BACK_OFF_FORGET_AFTER ? 0 : earlier + 1;
}

/**
 * Whether a payload that ended so often in a row, each time within `BACK_OFF_FORGET_AFTER` of its start, is left alone. With the pauses
 * between them, such a row takes at most twice that for each end.
 */
export function isCrashLoop(quickExits: number, { quarantineAfter }: Pick<AssignmentContent, 'quarantineAfter'>): boolean {
  return quickExits >= (quarantineAfter ?? QUARANTINE_EXITS);
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

/** Why it is started again. */
export function restartReason(policy: AssignmentContent['restart'], exit: ExitReport | undefined): string {
  if (policy === 'always') return 'it ended and is to run always';
  const how = exit?.signal ?? exit?.reason ?? (exit === undefined || exit.code === null ? 'unknown' : `exit code ${exit.code}`);
  return `it failed (${how.slice(0, 100)}) and is to run until it succeeds`;
}
