// SPDX-License-Identifier: Apache-2.0
import { DEFAULT_AUTHORIZATION, type HealthCheck, type PrincipalStatus, type SandboxInfo } from '@bureau/protocol';
import { authorizationKey, isPassive, payloadKey, type Action } from './actions.ts';
import { GUARDED_SETTLE_MILLISECONDS, MESSAGE_MAX } from './limits.ts';
import { isAbout, keptWith, type KeptMemory } from './memory.ts';
import { end, hold, isGuarded, liveState, type ReadyCase, type Step } from './plan-case.ts';
import { plainText } from './plain-text.ts';
import { parseSandboxId } from './resolve.ts';

/** Its sandbox is there: it is kept up to date, or ended for something newer. */
export function planLive(one: ReadyCase, info: SandboxInfo): Step {
  const { say, target } = one;
  if (parseSandboxId(info.id).key !== target.key) {
    const step = replace(one, info);
    // As long as the old one stays, it is looked after.
    const told = step.action === undefined || isPassive(step.action) ? tend(one, info) : undefined;
    return told === undefined ? step : { ...step, action: told };
  }
  const action = endUnhealthy(one, info) ?? tend(one, info) ?? settle(one, info);
  return {
    ...(action === undefined ? {} : { action }),
    status: say(liveState(info), healthOf(one, info)),
    ...watchOf(one, info),
    ...refusedNotice(one),
  };
}

/** How it is to be asked whether it is well; not before it runs, and never a run, whose command line watches it. */
function checkOf({ assignment, target }: ReadyCase, info: SandboxInfo): HealthCheck | undefined {
  return info.state === 'running' && assignment.run === undefined ? target.healthCheck : undefined;
}

function healthOf(one: ReadyCase, info: SandboxInfo): Partial<PrincipalStatus> {
  if (checkOf(one, info) === undefined) return {};
  const health = one.input.health?.get(one.desired.principal);
  if (health === undefined || !isAbout(health, info)) return { health: 'checking' };
  return { health: health.state, ...(health.message === undefined ? {} : { message: health.message }) };
}

function watchOf(one: ReadyCase, info: SandboxInfo): Pick<Step, 'watch'> {
  const check = checkOf(one, info);
  return check === undefined ? {} : { watch: { principal: one.desired.principal, id: info.id, startedAt: info.startedAt, check } };
}

/** First it is written down that it is unhealthy, so that its end counts as a failure whatever dies meanwhile; then it is ended. */
function endUnhealthy(one: ReadyCase, info: SandboxInfo): Action | undefined {
  const { assignment, desired, input, memory } = one;
  const { principal, event } = desired;
  const known = memory.kept?.unhealthy;
  if (known !== undefined && isAbout(known, info)) {
    if (info.state === 'stopping') return undefined;
    return { action: 'destroy', principal, event, id: info.id, reason: `it is unhealthy: ${known.message}`, decidedBy: 'machine' };
  }
  const health = input.health?.get(principal);
  if (checkOf(one, info) === undefined || health?.state !== 'unhealthy' || !isAbout(health, info)) return undefined;
  // On a cordoned machine it could not be started again.
  if (input.machine?.cordoned === true) return undefined;
  const unhealthy = { id: info.id, startedAt: info.startedAt, message: health.message ?? '', wasHealthy: health.wasHealthy };
  const reason = `it is unhealthy, which is written down before it is ended: ${unhealthy.message}`;
  return { action: 'record', principal, event, reason, keep: keptWith(memory.kept, assignment.generation, { unhealthy }) };
}

/** A guarded update that was taken back is told as long as it is wanted. */
function refusedNotice({ desired, rolledBack, memory: { kept } }: ReadyCase): Pick<Step, 'notice'> {
  if (!rolledBack) return {};
  const text = plainText(`its update did not stay up and was taken back: ${kept?.refused?.message ?? ''}`, MESSAGE_MAX);
  return { notice: { principal: desired.principal, event: 'blocked', text } };
}

/** What a live sandbox takes over without a restart, one at a time. */
function tend({ assignment, desired, memory, target }: ReadyCase, info: SandboxInfo): Action | undefined {
  const { principal, event, bundle } = desired;
  const authorization = assignment.authorization ?? DEFAULT_AUTHORIZATION;
  if (memory.authorized !== authorizationKey(authorization)) {
    return { action: 'authorize', principal, event, reason: 'its grants and denials are to be told to its proxy', authorization };
  }
  const { payload, trigger } = target.spec;
  if (memory.told !== payloadKey(info.id, { payload, trigger })) {
    return { action: 'update', principal, event, reason: 'its payload is to be told to it', id: info.id, files: { payload, trigger } };
  }
  if (bundle === undefined || memory.fed === bundle.event) return undefined;
  const reason = 'its credentials are new';
  return { action: 'rotate', principal, event: bundle.event, reason, bundle: bundle.bytes, bundleEvent: bundle.event };
}

/** What runs was made by another spec than the one that is wanted now. */
function replace(one: ReadyCase, info: SandboxInfo): Step {
  const { assignment, desired, input, memory, say, target } = one;
  const { principal, event, bundle } = desired;
  const state = liveState(info);
  if (assignment.restart === 'never' && assignment.run === undefined && parseSandboxId(info.id).generation === assignment.generation) {
    const message = 'it runs by an earlier template or assignment, since it runs once; raise the generation to replace it';
    return { status: say(state, { message }) };
  }
  if (input.machine?.cordoned === true)
    return hold(one, state, 'its assignment or template has changed, and the machine is cordoned: nothing new is started');
  if (!isGuarded(assignment) || memory.checked === target.key) return end(one, info, 'its assignment or template has changed');
  return {
    action: {
      action: 'check',
      principal,
      event,
      reason: 'its assignment or template has changed; the new one is judged before the old one ends',
      key: target.key,
      spec: target.spec,
      ...(bundle === undefined ? {} : { bundle: bundle.bytes }),
    },
    status: say(state),
  };
}

/** With guarded updates: watches a new sandbox until it counts as good, and writes that down. */
function settle({ assignment, desired, input, memory, rolledBack, target }: ReadyCase, info: SandboxInfo): Action | undefined {
  const { principal, event } = desired;
  const { restart } = assignment;
  const { healthCheck } = target;
  const before = memory.kept?.good;
  const isKept = before?.id === info.id && before.restart === restart && isSameCheck(before.healthCheck, healthCheck);
  if (!isGuarded(assignment) || info.state !== 'running' || isKept) return undefined;
  const until = info.startedAt + GUARDED_SETTLE_MILLISECONDS;
  const health = input.health?.get(principal);
  if (healthCheck !== undefined && (health?.state !== 'healthy' || !isAbout(health, info)))
    return { action: 'hold', principal, event, reason: 'it is new; it counts as good when it has answered its health check' };
  if (healthCheck === undefined && until > input.now && info.startedAt <= input.now)
    return { action: 'wait', principal, event, reason: 'it is new; it counts as good when it has stayed up', until };
  const good = { id: info.id, spec: target.spec, restart, ...(healthCheck === undefined ? {} : { healthCheck }) };
  const { refused, ...kept }: KeptMemory = keptWith(memory.kept, assignment.generation, { good });
  const keep = rolledBack && refused !== undefined ? { ...kept, refused } : kept;
  const reason = `it ${healthCheck === undefined ? 'has stayed up' : 'is healthy'}, which is written down`;
  return { action: 'record', principal, event, reason, keep };
}

function isSameCheck(one: HealthCheck | undefined, other: HealthCheck | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
