// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExitReport } from '@bureau/protocol';
import { GUARDED_SETTLE_MILLISECONDS } from './limits.ts';
import type { KeptMemory } from './memory.ts';
import { parseSandboxId } from './resolve.ts';
import { ASSIGNMENT, FAILED, NOW, OK, firstId, planned, sandboxOf } from './testing/plan-fixture.ts';

const OLD = { ...ASSIGNMENT, update: 'guarded' };
const NEW = { ...OLD, generation: 1, command: ['/bin/newer'] };
const SETTLED = { startedAt: NOW - GUARDED_SETTLE_MILLISECONDS };

/** What is kept once the old one has stayed up. */
function keptGood(old: object = OLD): KeptMemory {
  const info = sandboxOf(firstId(old), 'running', SETTLED);
  const early = planned(old, { ...info, startedAt: NOW - 1 });
  assert.deepEqual(early.action?.action === 'wait' && early.action.until, NOW - 1 + GUARDED_SETTLE_MILLISECONDS);
  const { action } = planned(old, info);
  assert.equal(action?.action, 'record');
  assert.equal(action.keep.good?.id, info.id);
  assert.equal(planned(old, info, { kept: action.keep }).action, undefined, 'once');
  return action.keep;
}

test('plan() of a guarded update: the new one is judged before the old one ends, and a refusal leaves the old one', () => {
  const kept = keptGood();
  const old = sandboxOf(firstId(OLD), 'running', SETTLED);
  const { action } = planned(NEW, old, { kept });
  assert.equal(action?.action, 'check');
  const failure = { key: `check ${action.key}`, message: 'spec_refused', retryAt: NOW + 1, times: 1 };
  const refused = planned(NEW, old, { kept, failure });
  assert.deepEqual([refused.action?.action, refused.status?.state, refused.status?.message], ['wait', 'running', 'spec_refused']);
  assert.equal(planned(NEW, old, { kept, checked: action.key }).action?.action, 'destroy');
  assert.equal(planned({ ...NEW, update: 'replace' }, old, { kept }).action?.action, 'destroy', 'the control: not guarded');
});

for (const [how, info, failure] of [
  ['ends soon', sandboxOf(firstId(NEW), 'exited', { exit: FAILED }), undefined],
  ['is refused', undefined, { key: `create ${firstId(NEW)}`, message: 'start_failed', retryAt: NOW + 1, times: 1 }],
] as const) {
  test(`plan() of a guarded update whose new one ${how}: the old one comes back, and stays, until something newer is wanted`, () => {
    const kept = keptGood();
    const memory = { kept, ...(failure === undefined ? {} : { failure }) };
    const { action } = planned(NEW, info, memory);
    assert.equal(action?.action, 'create');
    assert.deepEqual([action.id, action.spec.command], [firstId(OLD).replace(/-0$/, '-1'), OLD.command]);
    assert.ok(action.keep?.refused !== undefined && action.keepAnyway === true);

    const after = { kept: action.keep };
    const back = planned(NEW, sandboxOf(action.id, 'running'), after);
    assert.notEqual(back.action?.action, 'destroy');
    assert.deepEqual([back.status?.state, back.status?.generation, back.status?.observedGeneration], ['running', 1, 0]);
    assert.match(back.status?.message ?? '', /did not stay up/);
    assert.match(back.told ?? '', /taken back/);
    // The old one crashes: it is the old one that starts again.
    const crashed = planned(NEW, sandboxOf(action.id, 'exited', { exit: FAILED }), {
      ...after,
      exit: { id: action.id, at: 0, quickExits: 0 },
    });
    assert.equal(crashed.action?.action === 'create' && crashed.action.id, firstId(OLD).replace(/-0$/, '-2'));
    assert.equal(planned({ ...NEW, generation: 2 }, sandboxOf(action.id, 'running'), after).action?.action, 'check');
  });
}

test('plan() of a guarded first start has nothing to go back to, and is any other start', () => {
  const exit = { id: firstId(NEW), at: NOW, quickExits: 1 };
  assert.equal(planned(NEW, sandboxOf(firstId(NEW), 'exited', { exit: FAILED }), { exit }).action?.action, 'wait');
});

test('plan() does not bring back what has ended for good', () => {
  const until = { ...OLD, restart: 'on-failure' };
  const info = sandboxOf(firstId(until), 'exited', { exit: OK });
  const { action } = planned(until, info, { kept: keptGood() });
  assert.equal(action?.action, 'record');
  assert.deepEqual([action.keep.ended?.id, action.keep.good], [info.id, undefined]);
  const next = { ...NEW, restart: 'on-failure' };
  const exit = { id: firstId(next), at: NOW, quickExits: 1 };
  const failed = sandboxOf(firstId(next), 'exited', { exit: FAILED });
  assert.equal(planned(next, failed, { kept: action.keep, exit }).action?.action, 'wait', 'the newer one is tried again');
});

const STOPPED: ExitReport = { code: null, signal: 'TERM', reason: 'stopped' };
for (const [before, after, exit, isComeBackTo] of [
  ['always', 'always', OK, true],
  ['always', 'on-failure', OK, true],
  ['always', 'never', OK, true],
  ['on-failure', 'always', OK, false],
  ['on-failure', 'on-failure', OK, false],
  ['on-failure', 'always', STOPPED, true],
  ['never', 'always', OK, false],
  ['never', 'always', STOPPED, false],
] as const) {
  const how = `${before}, now ${after}, code ${exit.code}`;
  test(`plan() of a guarded update goes back to what its own policy would start again, and to nothing else (${how})`, () => {
    const old = { ...OLD, restart: before };
    const next = { ...NEW, restart: after };
    const kept = keptGood(old);
    const ended = sandboxOf(firstId(old), 'exited', { exit });
    const { action } = planned(next, ended, { kept });
    if (isComeBackTo) {
      assert.equal(action?.action === 'create' && action.id, firstId(next));
      return;
    }
    assert.ok(action?.action === 'record' && action.keep.good === undefined);
    const started = planned(next, ended, { kept: action.keep }).action;
    assert.equal(started?.action === 'create' && started.id, firstId(next), 'the newer one is started all the same');
  });
}

test('plan() writes down anew by which policy the one to come back to runs', () => {
  const kept = keptGood();
  const { action } = planned({ ...OLD, restart: 'on-failure' }, sandboxOf(firstId(OLD), 'running', SETTLED), { kept });
  assert.equal(action?.action === 'record' && action.keep.good?.restart, 'on-failure');
});

test('plan() never comes back to what runs once, also when its end was lost', () => {
  const kept = keptGood({ ...OLD, restart: 'never' });
  const exit = { id: firstId(NEW), at: NOW, quickExits: 1 };
  assert.equal(planned(NEW, sandboxOf(firstId(NEW), 'exited', { exit: FAILED }), { kept, exit }).action?.action, 'wait');
});

test('plan() of a job that was come back to and has completed does not run it once more, whatever the newer policy', () => {
  const old = { ...OLD, restart: 'on-failure' };
  const refused = { key: parseSandboxId(firstId(NEW)).key, message: 'it ended soon' };
  const ended = sandboxOf(firstId(old).replace(/-0$/, '-1'), 'exited', { exit: OK });
  const { action } = planned(NEW, ended, { kept: { ...keptGood(old), refused } });
  assert.ok(action?.action === 'record' && action.keep.good === undefined);
  const next = planned(NEW, ended, { kept: action.keep }).action;
  assert.equal(next?.action === 'create' && next.id, firstId(NEW), 'the newer one is tried again');
});
