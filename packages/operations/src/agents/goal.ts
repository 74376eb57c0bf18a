// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { ExitReport, PrincipalState, PrincipalStatus } from '@bureau/protocol';

/** What a caller waits for. */
export interface Goal {
  readonly state: 'running' | 'healthy' | 'exited' | 'completed' | 'stopped' | 'absent';
  /** Of the assignment; what an earlier one did is no answer. Absent: any. */
  readonly generation?: number;
  /** `first start`: an end is an answer as well. `any start`: what ended may start again, so it is waited for. */
  readonly patience: 'first start' | 'any start';
}

/** Without a health check: a payload that has stayed up for so long counts as healthy. */
const UP_MILLISECONDS = 10_000;

/** Nothing of the payload runs, after it did. */
const ENDED: ReadonlySet<PrincipalState> = new Set(['exited', 'completed', 'backing_off', 'quarantined']);
/** The machine does nothing more by itself. */
const OVER: ReadonlySet<PrincipalState> = new Set(['exited', 'completed', 'quarantined', 'stopped']);

/** Milliseconds until what runs counts as healthy, if nothing happens; `undefined`: somebody has to say so first. */
export function healthyIn(status: PrincipalStatus | undefined, now: number): number | undefined {
  if (status?.state !== 'running') return undefined;
  if (status.health !== undefined) return status.health === 'healthy' ? 0 : undefined;
  const left = (status.startedAt ?? now) + UP_MILLISECONDS - now;
  // More than that: the clock was set back since.
  return Math.min(Math.max(left, 0), UP_MILLISECONDS);
}

/**
 * Whether a status answers: `reached`, not yet, or never without somebody's doing. Throws `blocked`, `payload_ended`, `not_coming` with the
 * machine's own words in the last case.
 */
export function judgeGoal(principal: string, status: PrincipalStatus | undefined, goal: Goal, now: number): 'reached' | 'not yet' {
  if (goal.state === 'absent') return status === undefined ? 'reached' : 'not yet';
  if (status === undefined) return 'not yet';
  if (goal.generation !== undefined && (status.observedGeneration ?? -1) < goal.generation) return 'not yet';
  const { state, message, retryAt } = status;
  if (state === goal.state || (goal.state === 'healthy' && healthyIn(status, now) === 0)) return 'reached';
  // It ran and is done, or it will when its condition holds: whoever has just deployed it knows enough.
  if (goal.patience === 'first start' && (state === 'completed' || state === 'waiting')) return 'reached';
  if (goal.state === 'exited' && (ENDED.has(state) || state === 'stopped')) return 'reached';
  // What the machine itself tries again may still come.
  if (state === 'blocked' && retryAt === undefined)
    throw new BureauError('blocked', `"${principal}" cannot run: ${message ?? 'no reason given'}`, { data: { principal } });
  if (
    (goal.state === 'running' || goal.state === 'healthy') &&
    ENDED.has(state) &&
    (goal.patience === 'first start' || state === 'quarantined')
  ) {
    const again = state === 'quarantined' && message !== undefined ? `: ${message}` : `; see "bureau agent logs ${principal}"`;
    throw new BureauError('payload_ended', `"${principal}" started and ended (${endOf(status.exit)})${again}`, { data: { principal } });
  }
  if (OVER.has(state) && goal.patience === 'any start')
    throw new BureauError(
      'not_coming',
      `"${principal}" is "${state}" and will not become "${goal.state}" by itself${message === undefined ? '' : `: ${message}`}`,
      {
        data: { principal, state },
      },
    );
  return 'not yet';
}

function endOf(exit: ExitReport | undefined): string {
  return exit?.signal ?? exit?.reason ?? (exit === undefined ? 'nobody knows how' : `exit code ${exit.code}`);
}
