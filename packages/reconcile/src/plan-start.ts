// SPDX-License-Identifier: Apache-2.0
import { DEFAULT_AUTHORIZATION, type ExitReport, type SandboxInfo } from '@bureau/protocol';
import { backOffPause, isCrashLoop, restartReason, shallRestart } from './back-off.ts';
import { BACK_OFF_LONGEST, MESSAGE_MAX } from './limits.ts';
import { keptWith, type KeptMemory } from './memory.ts';
import { exitOf, hold, isGuarded, type ReadyCase, type Step } from './plan-case.ts';
import { plainText } from './plain-text.ts';
import { parseSandboxId, sandboxIdOf } from './resolve.ts';

/** Nothing of it is there: it is started, unless something speaks against it. */
export function planStart(one: ReadyCase, attempt: number, reason: string): Step {
  const { assignment, desired, input, memory, say, target } = one;
  const { principal, event, condition } = desired;
  const over = endedForGood(one) ?? leftAlone(one) ?? interrupted(one);
  if (over !== undefined) return over;
  if (input.machine?.cordoned === true)
    return hold(one, assignment.run === undefined ? 'pending' : 'blocked', 'the machine is cordoned: nothing new is started');
  if (condition !== undefined && !condition.holds) return hold(one, 'waiting', condition.why);

  const id = sandboxIdOf(target.key, target.generation, attempt);
  if (memory.failure?.key === `create ${id}`) {
    const back = rollBack(one, memory.failure.message);
    if (back !== undefined) return back;
  }
  const once = assignment.restart === 'never' && assignment.run === undefined;
  // A later generation has been: the rooms may have been read at an older position, and what that one asked for may have ended long ago.
  const isOlder = assignment.run === undefined && (memory.kept?.generation ?? 0) > assignment.generation;
  return {
    action: {
      action: 'create',
      principal,
      event,
      reason,
      id,
      spec: target.spec,
      ...bundleOf(one),
      authorization: assignment.authorization ?? DEFAULT_AUTHORIZATION,
      holdForObserver: assignment.run !== undefined,
      ...(isOlder ? { replaces: 'newer' as const } : {}),
      ...(once ? { keep: keptWith(memory.kept, assignment.generation, { started: id }) } : {}),
    },
    // Who holds a run attaches at "starting": there must be a sandbox that the launcher has told of.
    status: say(assignment.run === undefined && input.creating?.has(id) === true ? 'starting' : 'pending'),
  };
}

/** Its sandbox has ended: for good, for a while, or for something newer. */
export function planEnded(one: ReadyCase, info: SandboxInfo): Step {
  const { assignment, desired, input, memory, say, target } = one;
  const { principal, event } = desired;
  const there = parseSandboxId(info.id);
  const same = there.key === target.key;
  const end = exitOf(memory, info);
  if (assignment.run !== undefined && same) return { status: say('exited') };
  const over = endedForGood(one) ?? leftAlone(one);
  if (over !== undefined) return over;
  const ofThis = same || (there.generation !== undefined && there.generation >= assignment.generation);
  if (assignment.run === undefined && ofThis && !shallRestart(assignment.restart, end))
    return record(one, { id: info.id, restarts: there.attempt, ...(end === undefined ? {} : { exit: end }) }, there.generation);
  const done = same ? undefined : forgetDone(one, info);
  if (done !== undefined) return done;
  if (!same) {
    const step = planStart(one, target.firstAttempt, 'its assignment or template has changed');
    // The rooms may have been read at an older position than the one that led to it.
    const isOlder = there.generation !== undefined && there.generation > assignment.generation;
    return isOlder && step.action?.action === 'create' ? { ...step, action: { ...step.action, replaces: 'newer' } } : step;
  }

  const exit = memory.exit?.id === info.id ? memory.exit : { at: input.now, quickExits: 0 };
  const back = rollBack(one, `it ended soon: ${describeEnd(end)}`);
  if (back !== undefined) return back;
  if (isCrashLoop(exit.quickExits, assignment)) {
    const quarantined = { at: exit.at, exits: exit.quickExits, ...(end === undefined ? {} : { exit: end }) };
    return {
      action: {
        action: 'quarantine',
        principal,
        event,
        reason: `it ended ${exit.quickExits} times in a row soon after its start`,
        keep: keptWith(memory.kept, assignment.generation, { quarantined }),
      },
      status: say('backing_off'),
    };
  }
  const retryAt = exit.at + backOffPause(exit.quickExits);
  // Far ahead: the clock was set back since.
  if (retryAt <= input.now || retryAt > input.now + BACK_OFF_LONGEST)
    return planStart(one, there.attempt + 1, restartReason(assignment.restart, end));
  return {
    action: { action: 'wait', principal, event, reason: 'it ended and starts again after a pause', until: retryAt },
    status: say('backing_off', { retryAt }),
  };
}

/**
 * What stayed up last has ended and would not be started again by its own policy, and something newer is wanted: it is nothing to come
 * back to. What is to run always is never done, also when it ends with 0 because it was asked to; of a job nobody can tell that from its
 * own end.
 */
function forgetDone({ assignment, desired, memory, say }: ReadyCase, info: SandboxInfo): Step | undefined {
  const { kept } = memory;
  if (kept?.good?.id !== info.id || shallRestart(kept.good.restart ?? assignment.restart, exitOf(memory, info))) return undefined;
  const { good: _good, refused: _refused, ...keep } = kept;
  const { principal, event } = desired;
  return { action: { action: 'record', principal, event, reason: 'what ran before has ended for good', keep }, status: say('pending') };
}

/** It has ended and its policy wants no more, in this generation or, when somebody turned that back, in a later one. */
function endedForGood({ assignment, memory: { kept }, say }: ReadyCase): Step | undefined {
  if (assignment.run !== undefined || kept?.ended === undefined || kept.generation < assignment.generation) return undefined;
  const { id, restarts, exit } = kept.ended;
  // What was cut off under "never" may be tried again once the policy says so; what ended by itself may not.
  const cutOff = typeof exit?.code !== 'number';
  if (assignment.restart === 'always' || (assignment.restart === 'on-failure' && cutOff)) return undefined;
  const later = kept.generation > assignment.generation;
  const message = later
    ? { message: `generation ${kept.generation} has ended already; raise the generation above it to run it again` }
    : {};
  return { status: say(exit?.code === 0 ? 'completed' : 'exited', { id, restarts, ...(exit === undefined ? {} : { exit }), ...message }) };
}

/** It is in quarantine. */
function leftAlone({ assignment, desired, memory: { kept }, say }: ReadyCase): Step | undefined {
  const { principal } = desired;
  if (assignment.run !== undefined || kept?.quarantined === undefined || kept.generation !== assignment.generation) return undefined;
  const { exits, exit } = kept.quarantined;
  const text = `it ended ${exits} times in a row soon after its start (last: ${describeEnd(exit)}) and is left alone; see "bureau agent logs ${principal}", then "bureau agent restart ${principal}"`;
  const message = plainText(text, MESSAGE_MAX);
  // The same quarantine is the same notice, whatever else is edited meanwhile.
  const cause = `${kept.generation} ${kept.quarantined.at}`;
  return { status: say('quarantined', { message }), notice: { principal, event: 'quarantined', text: message, cause } };
}

/** The one start that `never` allows was under way, and nothing of it is left: nobody can say how far it came, so it is not repeated. */
function interrupted(one: ReadyCase): Step | undefined {
  const { assignment, input, memory } = one;
  const { kept } = memory;
  if (assignment.run !== undefined || assignment.restart !== 'never' || kept?.started === undefined) return undefined;
  if (kept.generation !== assignment.generation || input.creating?.has(kept.started) === true) return undefined;
  return record(one, { id: kept.started, restarts: 0, exit: { code: null, signal: null, reason: 'interrupted' } });
}

function record(one: ReadyCase, ended: NonNullable<KeptMemory['ended']>, generation?: number): Step {
  const { assignment, desired, memory, say } = one;
  const about = Math.max(generation ?? 0, assignment.generation);
  // What has ended for good is nothing that a later update could bring back.
  const { good: _good, refused: _refused, ...keep }: KeptMemory = keptWith(memory.kept, about, { ended });
  return {
    action: {
      action: 'record',
      principal: desired.principal,
      event: desired.event,
      reason: 'it ended for good, which is written down',
      keep,
    },
    status: say('stopping', { id: ended.id, ...(ended.exit === undefined ? {} : { exit: ended.exit }) }),
  };
}

/** With a guarded update that has never stayed up: what ran before it is started again. */
function rollBack(one: ReadyCase, why: string): Step | undefined {
  const { assignment, desired, memory, rolledBack, say, target } = one;
  const good = memory.kept?.good;
  if (!isGuarded(assignment) || rolledBack || good === undefined) return undefined;
  // At most once, also when the launcher has lost its end.
  if (good.restart === 'never') return undefined;
  const before = parseSandboxId(good.id);
  if (before.key === target.key) return undefined;
  const message = plainText(why, MESSAGE_MAX);
  return {
    action: {
      action: 'create',
      principal: desired.principal,
      event: desired.event,
      reason: 'its update did not stay up; what ran before is started again',
      id: sandboxIdOf(before.key, before.generation ?? 0, before.attempt + 1),
      spec: good.spec,
      ...bundleOf(one),
      authorization: assignment.authorization ?? DEFAULT_AUTHORIZATION,
      holdForObserver: false,
      keep: keptWith(memory.kept, assignment.generation, { refused: { key: target.key, message } }),
      keepAnyway: true,
    },
    status: say('pending', { message }),
  };
}

function bundleOf({ desired: { bundle } }: ReadyCase): { readonly bundle?: Uint8Array; readonly bundleEvent?: string } {
  return bundle === undefined ? {} : { bundle: bundle.bytes, bundleEvent: bundle.event };
}

function describeEnd(exit: ExitReport | undefined): string {
  return exit?.signal ?? exit?.reason ?? (exit === undefined || exit.code === null ? 'unknown' : `exit code ${exit.code}`);
}
