// SPDX-License-Identifier: Apache-2.0
import type { SandboxInfo } from '@bureau/protocol';
import type { Desired } from './desired.ts';
import { MESSAGE_MAX } from './limits.ts';
import { plainText } from './plain-text.ts';
import { blocked, caseOf, end, hold, isLive, isReady, type Step } from './plan-case.ts';
import { planLive } from './plan-live.ts';
import { planEnded, planStart } from './plan-start.ts';
import type { PlanInput } from './plan-input.ts';
import { parseSandboxId } from './resolve.ts';

/** One principal's part of a plan. `info`: its sandbox, live or ended. */
export function planPrincipal(desired: Desired, info: SandboxInfo | undefined, input: PlanInput): Step {
  const { event, assignment, fault } = desired;
  const run = assignment?.run;
  // A run whose command line is gone, or that never came, is as if it had not been asked for.
  if (run !== undefined && !input.runs.has(run.id))
    return info === undefined ? {} : clear(info, { reason: 'the command line that asked for it is gone', event, decidedBy: 'machine' });

  const one = caseOf(desired, info, input);
  if (assignment?.desired === 'stopped')
    return isLive(info) ? end(one, info, 'its assignment says "stopped"') : { status: one.say('stopped') };
  const halted = one.memory.kept?.halted;
  if (halted !== undefined && run === undefined && halted.generation === assignment?.generation) {
    const message = plainText(`stopped by a command of ${halted.by}; "agent.start" or a new generation lets it run again`, MESSAGE_MAX);
    return isLive(info) ? end(one, info, `it was ${message}`, 'machine') : { status: one.say('stopped', { message }) };
  }
  if (input.machine?.draining === true)
    return isLive(info)
      ? end(one, info, 'the machine is being drained')
      : hold(one, run === undefined ? 'pending' : 'blocked', 'the machine is being drained: nothing new is started');
  if (!isReady(one)) return blocked(one, info, fault ?? 'its assignment is incomplete');
  if (isLive(info)) return planLive(one, info);
  return info === undefined ? planStart(one, one.target.firstAttempt, 'it is assigned and not there') : planEnded(one, info);
}

/** Ends and forgets what is not wanted. */
export function clear(
  info: SandboxInfo,
  { reason, event, decidedBy }: { readonly reason: string; readonly event?: string; readonly decidedBy: 'rooms' | 'machine' },
): Step {
  const base = { principal: info.principal, id: info.id, reason, decidedBy, ...(event === undefined ? {} : { event }) };
  if (info.state === 'exited') return { action: { action: 'forget', ...base } };
  const { attempt, generation } = parseSandboxId(info.id);
  return {
    action: { action: 'destroy', ...base },
    status: {
      principal: info.principal,
      id: info.id,
      startedAt: info.startedAt,
      restarts: attempt,
      state: 'stopping',
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    },
  };
}
