// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GUARDED_SETTLE_MILLISECONDS } from './limits.ts';
import type { KeptMemory } from './memory.ts';
import { ASSIGNMENT, FAILED, NOW, OK, firstId, planned, sandboxOf } from './testing/plan-fixture.ts';

const OLD = { ...ASSIGNMENT, update: 'guarded' };
const NEW = { ...OLD, generation: 1, command: ['/bin/newer'] };
const SETTLED = { startedAt: NOW - GUARDED_SETTLE_MILLISECONDS };

/** What is kept once the old one has stayed up. */
function keptGood(): KeptMemory {
  const info = sandboxOf(firstId(OLD), 'running', SETTLED);
  const early = planned(OLD, { ...info, startedAt: NOW - 1 });
  assert.deepEqual(early.action?.action === 'wait' && early.action.until, NOW - 1 + GUARDED_SETTLE_MILLISECONDS);
  const { action } = planned(OLD, info);
  assert.equal(action?.action, 'record');
  assert.equal(action.keep.good?.id, info.id);
  assert.equal(planned(OLD, info, { kept: action.keep }).action, undefined, 'once');
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
  const soon = planned(next, sandboxOf(firstId(OLD), 'exited', { exit: OK }), { kept: keptGood() }).action;
  assert.ok(soon?.action === 'record' && soon.keep.good === undefined, 'also when something newer was wanted at once');
  const exit = { id: firstId(next), at: NOW, quickExits: 1 };
  const failed = sandboxOf(firstId(next), 'exited', { exit: FAILED });
  assert.equal(planned(next, failed, { kept: action.keep, exit }).action?.action, 'wait', 'the newer one is tried again');
});

test('plan() of a guarded update whose old one ended with 0 when it was asked to still has it to go back to', () => {
  const kept = keptGood();
  const replaced = planned(NEW, sandboxOf(firstId(OLD), 'exited', { exit: { code: 0, signal: null } }), { kept });
  assert.equal(replaced.action?.action === 'create' && replaced.action.id, firstId(NEW));
});
