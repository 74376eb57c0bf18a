// SPDX-License-Identifier: Apache-2.0
import type {
  AssignmentContent,
  ExitReport,
  HealthCheck,
  PrincipalState,
  PrincipalStatus,
  SandboxInfo,
  SandboxSpec,
} from '@bureau/protocol';
import type { Action } from './actions.ts';
import type { Desired } from './desired.ts';
import type { HealthSubject } from './health-monitor.ts';
import { MESSAGE_MAX, REASON_MAX } from './limits.ts';
import { isAbout, type Memory } from './memory.ts';
import type { Notice } from './notice.ts';
import { plainText } from './plain-text.ts';
import type { PlanInput } from './plan-input.ts';
import { parseSandboxId } from './resolve.ts';

/** What is to be done for one principal, what is to be said of it, and what people should be told. */
export interface Step {
  readonly action?: Action;
  readonly status?: PrincipalStatus;
  readonly notice?: Notice;
  /** Its sandbox, as long as its agent is to be asked how it is. */
  readonly watch?: HealthSubject;
}

/** What a principal's sandbox is to be made of. */
export interface Target {
  readonly spec: SandboxSpec;
  readonly key: string;
  readonly generation: number;
  /** The number of its first attempt. */
  readonly firstAttempt: number;
  readonly healthCheck?: HealthCheck;
}

/** Everything that is known of one principal when its part of the plan is made. */
export interface Case {
  readonly desired: Desired;
  readonly input: PlanInput;
  readonly memory: Memory;
  readonly say: (state: PrincipalState, more?: Partial<PrincipalStatus>) => PrincipalStatus;
}

/** A case that nothing is wrong with. */
export interface ReadyCase extends Case {
  readonly assignment: AssignmentContent;
  readonly target: Target;
  /** Its guarded update did not stay up, and `target` is what ran before. */
  readonly rolledBack: boolean;
}

export function caseOf(desired: Desired, info: SandboxInfo | undefined, input: PlanInput): Case | ReadyCase {
  const { principal, assignment, target, fault, generation = 0 } = desired;
  const memory = memoryOf(desired, input);
  const { good, refused } = memory.kept ?? {};
  const rolledBack = isGuarded(assignment) && good !== undefined && refused !== undefined && refused.key === target?.key;
  const aside = rolledBack
    ? { message: plainText(`the newer one did not stay up (${refused.message}); this is the one before it`, MESSAGE_MAX) }
    : {};
  const observed = isLive(info) ? (parseSandboxId(info.id).generation ?? generationByKey(info, desired)) : desired.generation;
  const one: Case = {
    desired,
    input,
    memory,
    say: (state, more = {}) => ({
      principal,
      state,
      restarts: info === undefined ? 0 : parseSandboxId(info.id).attempt,
      ...(desired.generation === undefined ? {} : { generation: desired.generation }),
      ...(observed === undefined ? {} : { observedGeneration: observed }),
      ...(assignment?.run === undefined ? {} : { run: assignment.run.id }),
      ...(info === undefined ? {} : { id: info.id, startedAt: info.startedAt, ...endShown(memory, info) }),
      ...aside,
      ...more,
    }),
  };
  if (assignment === undefined || target === undefined || fault !== undefined) return one;
  if (!rolledBack) return { ...one, assignment, rolledBack, target: { ...target, generation, firstAttempt: 0 } };
  const before = parseSandboxId(good.id);
  return {
    ...one,
    // Whether it is ever done is for the policy that it was started by to say, not for that of the newer one.
    assignment: good.restart === undefined ? assignment : { ...assignment, restart: good.restart },
    rolledBack,
    // What it is told is as new as ever.
    target: {
      spec: { ...withoutFiles(good.spec), ...filesOf(target.spec) },
      key: before.key,
      generation: before.generation ?? 0,
      firstAttempt: before.attempt + 1,
      ...(good.healthCheck === undefined ? {} : { healthCheck: good.healthCheck }),
    },
  };
}

/** Whether nothing is wrong with it. */
export function isReady(one: Case | ReadyCase): one is ReadyCase {
  return 'target' in one;
}

/** Whether its changes are judged before what runs is ended, and taken back when they do not stay up. */
export function isGuarded(assignment: AssignmentContent | undefined): boolean {
  return assignment?.update === 'guarded' && assignment.run === undefined;
}

export function isLive(info: SandboxInfo | undefined): info is SandboxInfo {
  return info !== undefined && info.state !== 'exited';
}

/** How a sandbox ended: what was ended because it was unhealthy has failed, whatever it answered to TERM. */
export function exitOf({ kept }: Memory, info: SandboxInfo): ExitReport | undefined {
  const { exit } = info;
  if (exit === undefined || kept?.unhealthy === undefined || !isAbout(kept.unhealthy, info)) return exit;
  const limits = exit.limits === undefined ? {} : { limits: exit.limits };
  return { code: null, signal: null, reason: plainText(`unhealthy: ${kept.unhealthy.message}`, REASON_MAX), ...limits };
}

function endShown(memory: Memory, info: SandboxInfo): { readonly exit?: ExitReport } {
  const exit = exitOf(memory, info);
  return exit === undefined ? {} : { exit };
}

/** Wrong as it is. What runs goes on: a wrong edit does not take down what worked. */
export function blocked({ desired, say }: Case, info: SandboxInfo | undefined, why: string): Step {
  const message = plainText(why, MESSAGE_MAX);
  const { principal, event } = desired;
  return {
    action: { action: 'block', principal, event, reason: message },
    status: say(isLive(info) ? liveState(info) : 'blocked', { message }),
    notice: { principal, event: 'blocked', text: message },
  };
}

/** Fine as it is, and not now. */
export function hold({ desired, say }: Case, state: PrincipalState, why: string): Step {
  const message = plainText(why, MESSAGE_MAX);
  return {
    action: { action: 'hold', principal: desired.principal, event: desired.event, reason: message },
    status: say(state, { message }),
  };
}

/** Ends what runs. `decidedBy`: see `Action`. */
export function end({ desired, say }: Case, info: SandboxInfo, reason: string, decidedBy: 'rooms' | 'machine' = 'rooms'): Step {
  const { principal, event } = desired;
  return { action: { action: 'destroy', principal, event, id: info.id, reason, decidedBy }, status: say('stopping') };
}

/** The state of a principal whose sandbox is there. */
export function liveState({ state }: SandboxInfo): PrincipalState {
  return state === 'creating' ? 'starting' : state === 'stopping' ? 'stopping' : 'running';
}

/** Ids that were made before they named a generation. */
function generationByKey(info: SandboxInfo, { target, generation }: Desired): number | undefined {
  return target !== undefined && parseSandboxId(info.id).key === target.key ? generation : undefined;
}

function filesOf({ payload, trigger }: SandboxSpec): Pick<SandboxSpec, 'payload' | 'trigger'> {
  return { ...(payload === undefined ? {} : { payload }), ...(trigger === undefined ? {} : { trigger }) };
}

function withoutFiles({ payload: _payload, trigger: _trigger, ...spec }: SandboxSpec): SandboxSpec {
  return spec;
}

/** What is remembered of it, but for what was about an assignment that was taken away since. */
function memoryOf({ principal, event }: Desired, input: PlanInput): Memory {
  const memory = input.memory.get(principal) ?? {};
  if (memory.kept?.removed === undefined || memory.kept.removed === event) return memory;
  const { kept: _void, ...rest } = memory;
  return rest;
}
