// SPDX-License-Identifier: Apache-2.0
import type { PrincipalStatus } from '@bureau/protocol';
import { actionKey, type Action } from './actions.ts';
import type { HealthSubject } from './health-monitor.ts';
import { ACTION_RETRY_LONGEST_MILLISECONDS, FAILURES_TOLD } from './limits.ts';
import type { Notice } from './notice.ts';
import type { Step } from './plan-case.ts';
import type { PlanInput } from './plan-input.ts';
import { clear, planPrincipal } from './plan-principal.ts';

/** What shall be done now, what is to be said of each principal, and what people should be told, once. */
export interface Plan {
  readonly actions: readonly Action[];
  readonly statuses: readonly PrincipalStatus[];
  readonly notices: readonly Notice[];
  /** Whose agents are to be asked how they are. */
  readonly watches: readonly HealthSubject[];
}

/** Decides. Pure: reads no clock, no room, no socket. At most one action for each principal, in the order of their names. */
export function plan(input: PlanInput): Plan {
  const observed = new Map(input.observed.map((info) => [info.principal, info]));
  const actions: Action[] = [];
  const statuses: PrincipalStatus[] = [];
  const notices: Notice[] = [];
  const watches: HealthSubject[] = [];
  const take = (planned: Step, cause?: string): void => {
    const step = held(planned, input);
    if (step.action !== undefined) actions.push(step.action);
    if (step.status !== undefined) statuses.push(step.status);
    if (planned.watch !== undefined) watches.push(planned.watch);
    if (step.notice !== undefined) notices.push(cause === undefined ? step.notice : { cause, ...step.notice });
  };
  for (const desired of input.desired) {
    const info = observed.get(desired.principal);
    observed.delete(desired.principal);
    take(planPrincipal(desired, info, input), desired.event);
  }
  for (const info of observed.values()) take(clear(info, { reason: 'it has no assignment', decidedBy: 'rooms' }));
  return { actions, statuses, notices, watches };
}

/** An action that has just failed waits before it is tried again, whatever it was; what lasts is told. */
function held(step: Step, { memory, now }: PlanInput): Step {
  const { action, status } = step;
  const failure = action === undefined ? undefined : memory.get(action.principal)?.failure;
  if (action === undefined || failure === undefined || failure.key !== actionKey(action)) return step;
  // Far ahead: the clock was set back since.
  if (failure.retryAt <= now || failure.retryAt > now + ACTION_RETRY_LONGEST_MILLISECONDS) return step;
  const { principal, event } = action;
  const { message, retryAt, times } = failure;
  return {
    action: { action: 'wait', principal, reason: message, until: retryAt, ...(event === undefined ? {} : { event }) },
    ...(status === undefined
      ? {}
      : { status: { ...status, state: status.state === 'pending' ? 'blocked' : status.state, message, retryAt } }),
    ...(times < FAILURES_TOLD ? {} : { notice: { principal, event: 'blocked', text: message } }),
  };
}
