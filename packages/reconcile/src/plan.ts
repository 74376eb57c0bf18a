// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, type AuthorizationList, type PrincipalStatus, type SandboxInfo, type SandboxSpec } from '@bureau/protocol';
import { backOffPause, shallRestart } from './back-off.ts';
import type { Desired } from './desired.ts';
import { MESSAGE_MAX } from './limits.ts';
import type { Memory } from './memory.ts';
import { plainText } from './plain-text.ts';
import { parseSandboxId, resolveSpec, sandboxIdOf, specKey } from './resolve.ts';

/** Everything that a plan depends on. Same input, same plan. */
export interface PlanInput {
  readonly desired: readonly Desired[];
  readonly observed: readonly SandboxInfo[];
  /** Run ids whose command line is there. */
  readonly runs: ReadonlySet<string>;
  readonly memory: ReadonlyMap<PrincipalName, Memory>;
  readonly now: number;
}

/** One step, with what its executor needs. */
export type Action = { readonly principal: PrincipalName; readonly reason: string; readonly event?: string } & (
  | {
      readonly action: 'create';
      readonly id: string;
      readonly spec: SandboxSpec;
      readonly bundle?: Uint8Array;
      readonly bundleEvent?: string;
      readonly authorization: AuthorizationList;
      readonly holdForObserver: boolean;
    }
  | { readonly action: 'authorize'; readonly authorization: AuthorizationList }
  | { readonly action: 'update'; readonly id: string; readonly files: PayloadFiles }
  /** `rooms`: state says so, which is to be certain before what runs is ended; `machine`: it is known here. */
  | { readonly action: 'destroy'; readonly id: string; readonly decidedBy: 'rooms' | 'machine' }
  | { readonly action: 'forget'; readonly id: string }
  | { readonly action: 'rotate'; readonly bundle: Uint8Array; readonly bundleEvent: string }
  | { readonly action: 'wait'; readonly until: number }
  | { readonly action: 'block' }
);

/** What shall be done now, and what is to be said of each principal. */
export interface Plan {
  readonly actions: readonly Action[];
  readonly statuses: readonly PrincipalStatus[];
}

/** Decides. Pure: reads no clock, no room, no socket. */
export function plan(input: PlanInput): Plan {
  const observed = new Map(input.observed.map((info) => [info.principal, info]));
  const actions: Action[] = [];
  const statuses: PrincipalStatus[] = [];
  for (const desired of input.desired) {
    const info = observed.get(desired.principal);
    observed.delete(desired.principal);
    const step = held(planOne(desired, info, input), input);
    if (step.action !== undefined) actions.push(step.action);
    if (step.status !== undefined) statuses.push(step.status);
  }
  for (const info of observed.values()) {
    const step = held(clear(info, 'it has no assignment', undefined, 'rooms'), input);
    if (step.action !== undefined) actions.push(step.action);
    if (step.status !== undefined) statuses.push(step.status);
  }
  return { actions, statuses };
}

/** What an action is about: the same key twice is the same try again. */
export function actionKey(action: Action): string {
  switch (action.action) {
    case 'rotate':
      return `rotate ${action.bundleEvent}`;
    case 'authorize':
      return `authorize ${authorizationKey(action.authorization)}`;
    case 'update':
      return `update ${payloadKey(action.id, action.files)}`;
    case 'create':
    case 'destroy':
    case 'forget':
      return `${action.action} ${action.id}`;
    case 'wait':
    case 'block':
      return action.action;
  }
}

/** Names one list of grants and denials: the same list, the same name. */
export function authorizationKey(list: AuthorizationList): string {
  return JSON.stringify(list);
}

/** What a payload is told. */
export type PayloadFiles = Pick<SandboxSpec, 'payload' | 'trigger'>;

/** Names what one sandbox is told: the same words, the same name. */
export function payloadKey(id: string, { payload, trigger }: PayloadFiles): string {
  return `${id} ${JSON.stringify([payload ?? null, trigger ?? null])}`;
}

/** An action that has just failed waits before it is tried again, whatever it was. */
function held(step: Step, { memory, now }: PlanInput): Step {
  const { action } = step;
  const failure = action === undefined ? undefined : memory.get(action.principal)?.failure;
  if (action === undefined || failure === undefined || failure.key !== actionKey(action) || failure.retryAt <= now) return step;
  const { principal, event } = action;
  return {
    ...step,
    action: { action: 'wait', principal, reason: failure.message, until: failure.retryAt, ...(event === undefined ? {} : { event }) },
  };
}

interface Step {
  readonly action?: Action;
  readonly status?: PrincipalStatus;
}

function planOne(desired: Desired, info: SandboxInfo | undefined, input: PlanInput): Step {
  const { principal, event, assignment } = desired;
  const memory = input.memory.get(principal) ?? {};
  const generation = assignment === undefined ? {} : { generation: assignment.generation };
  const run = assignment?.run === undefined ? {} : { run: assignment.run.id };
  const say = (state: PrincipalStatus['state'], more: Partial<PrincipalStatus> = {}): PrincipalStatus => ({
    principal,
    state,
    restarts: info === undefined ? 0 : parseSandboxId(info.id).attempt,
    ...generation,
    ...run,
    ...(info === undefined ? {} : { id: info.id, startedAt: info.startedAt, ...(info.exit === undefined ? {} : { exit: info.exit }) }),
    ...more,
  });

  // A run whose command line is gone, or that never came, is as if it had not been asked for.
  if (assignment?.run !== undefined && !input.runs.has(assignment.run.id)) {
    return info === undefined ? {} : clear(info, 'the command line that asked for it is gone', event, 'machine');
  }
  if (assignment?.desired === 'stopped') {
    if (info === undefined || info.state === 'exited') return { status: say('stopped') };
    return {
      action: { action: 'destroy', principal, id: info.id, event, reason: 'its assignment says "stopped"', decidedBy: 'rooms' },
      status: say('stopping'),
    };
  }
  const blocked = (why: string): Step => {
    const message = plainText(why, MESSAGE_MAX);
    return {
      action: { action: 'block', principal, event, reason: message },
      // What runs goes on: a wrong edit does not take down what worked.
      status: info !== undefined && info.state === 'running' ? say('running', { message }) : say('blocked', { message }),
    };
  };
  if (desired.fault !== undefined || assignment === undefined || desired.template === undefined)
    return blocked(desired.fault ?? 'its assignment is incomplete');
  const resolved = resolveSpec(assignment, desired.template);
  if ('fault' in resolved) return blocked(resolved.fault);

  const key = specKey(assignment, resolved.spec);
  const authorization = assignment.authorization ?? DEFAULT_AUTHORIZATION;
  const create = (id: string, reason: string): Step => {
    if (memory.failure?.key === `create ${id}` && memory.failure.retryAt > input.now) {
      const { message, retryAt } = memory.failure;
      return {
        action: { action: 'wait', principal, event, reason: message, until: retryAt },
        status: say('blocked', { message, retryAt }),
      };
    }
    const bundle = desired.bundle === undefined ? {} : { bundle: desired.bundle.bytes, bundleEvent: desired.bundle.event };
    return {
      action: {
        action: 'create',
        principal,
        event,
        reason,
        id,
        spec: resolved.spec,
        ...bundle,
        authorization,
        holdForObserver: assignment.run !== undefined,
      },
      status: say('pending'),
    };
  };
  if (info === undefined) return create(sandboxIdOf(key, 0), 'it is assigned and not there');

  const there = parseSandboxId(info.id);
  if (there.key !== key) {
    if (info.state === 'exited') return create(sandboxIdOf(key, 0), 'its assignment or template has changed');
    return {
      action: { action: 'destroy', principal, id: info.id, event, reason: 'its assignment or template has changed', decidedBy: 'rooms' },
      status: say('stopping'),
    };
  }
  if (info.state !== 'exited') {
    if (memory.authorized !== authorizationKey(authorization)) {
      const reason = 'its grants and denials are to be told to its proxy';
      return { action: { action: 'authorize', principal, event, reason, authorization }, status: say(info.state) };
    }
    const { payload, trigger } = resolved.spec;
    if (memory.told !== payloadKey(info.id, { payload, trigger })) {
      const reason = 'its payload is to be told to it';
      return { action: { action: 'update', principal, event, reason, id: info.id, files: { payload, trigger } }, status: say(info.state) };
    }
    if (desired.bundle !== undefined && memory.fed !== desired.bundle.event) {
      const rotate: Action = {
        action: 'rotate',
        principal,
        event: desired.bundle.event,
        reason: 'its credentials are new',
        bundle: desired.bundle.bytes,
        bundleEvent: desired.bundle.event,
      };
      return { action: rotate, status: say(info.state) };
    }
    return { status: say(info.state) };
  }
  if (assignment.run !== undefined || !shallRestart(assignment.restart, info.exit)) return { status: say('exited') };
  const retryAt = (memory.exit?.at ?? input.now) + backOffPause(memory.exit?.quickExits ?? 0);
  if (retryAt > input.now)
    return {
      action: { action: 'wait', principal, event, reason: 'it ended and starts again after a pause', until: retryAt },
      status: say('backing_off', { retryAt }),
    };
  return create(sandboxIdOf(key, there.attempt + 1), 'it ended, and its restart policy starts it again');
}

/** Ends and forgets what is not wanted. */
function clear(info: SandboxInfo, reason: string, event: string | undefined, decidedBy: 'rooms' | 'machine'): Step {
  const base = { principal: info.principal, id: info.id, reason, ...(event === undefined ? {} : { event }) };
  const status = { principal: info.principal, id: info.id, startedAt: info.startedAt, restarts: parseSandboxId(info.id).attempt };
  if (info.state === 'exited') return { action: { action: 'forget', ...base } };
  return { action: { action: 'destroy', decidedBy, ...base }, status: { ...status, state: 'stopping' } };
}
