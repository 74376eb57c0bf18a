// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsConfirmation } from './actions.ts';
import { keptWith } from './memory.ts';
import { ASSIGNMENT, FAILED, NOW, OK, firstId, planned, sandboxOf } from './testing/plan-fixture.ts';

const NEVER = { ...ASSIGNMENT, restart: 'never', generation: 4 };
const UNTIL = { ...ASSIGNMENT, restart: 'on-failure', generation: 4 };

for (const [name, job, exit, state] of [
  ['never, 0', NEVER, OK, 'completed'],
  ['never, 3', NEVER, FAILED, 'exited'],
  ['on-failure, 0', UNTIL, OK, 'completed'],
] as const) {
  test(`plan() writes an end for good down before it counts, and then nothing but a new generation runs it again (${name})`, () => {
    const id = firstId(job);
    const seen = planned(job, sandboxOf(id, 'exited', { exit }));
    assert.equal(seen.action?.action, 'record');
    assert.equal(seen.status?.state, 'stopping', 'not over before it is written down');
    const kept = seen.action.keep;
    assert.deepEqual(kept, { generation: 4, ended: { id, restarts: 0, exit } });

    // With the launcher's record, without it (the machine was set up anew), with another template, with a lower generation.
    const control = planned({ ...job, generation: 5 }, undefined, { kept });
    assert.equal(control.action?.action, 'create', 'the control: a raised generation runs it');
    for (const [what, again] of [
      ['as it is', planned(job, sandboxOf(id, 'exited', { exit }), { kept })],
      ['launcher has forgotten', planned(job, undefined, { kept })],
      ['edited', planned({ ...job, command: ['/bin/other'] }, sandboxOf(id, 'exited', { exit }), { kept })],
      ['turned back', planned({ ...job, generation: 3 }, undefined, { kept })],
    ] as const) {
      assert.equal(again.action, undefined, what);
      assert.equal(again.status?.state, state, what);
    }
  });
}

test('plan() with rooms of yesterday does not run again what was taken away since; what is assigned anew runs', () => {
  const kept = { generation: 4, ended: { id: firstId(NEVER), restarts: 0, exit: OK } };
  assert.equal(planned(NEVER, undefined, { kept: { ...kept, removed: '$assignment' } }).status?.state, 'completed');
  assert.equal(planned(NEVER, undefined, { kept: { ...kept, removed: '$an-earlier-one' } }).action?.action, 'create');
});

test('plan() takes an edited job that ended by itself for ended, also before anything was written down', () => {
  const id = firstId(NEVER);
  const { action } = planned({ ...NEVER, command: ['/bin/other'] }, sandboxOf(id, 'exited', { exit: OK }));
  assert.equal(action?.action, 'record');
});

test('plan() does not cut off what runs once, and says so; the same edit replaces an agent', () => {
  const job = planned({ ...NEVER, command: ['/bin/other'] }, sandboxOf(firstId(NEVER), 'running'));
  assert.equal(job.action, undefined);
  assert.match(job.status?.message ?? '', /raise the generation/);
  assert.equal(planned({ ...NEVER, generation: 5 }, sandboxOf(firstId(NEVER), 'running')).action?.action, 'destroy');
  assert.equal(planned({ ...UNTIL, command: ['/bin/other'] }, sandboxOf(firstId(UNTIL), 'running')).action?.action, 'destroy');
});

test('plan() does not start what runs once a second time when nobody knows how far the first start came', () => {
  const { action } = planned(NEVER);
  assert.equal(action?.action, 'create');
  const kept = action.keep;
  assert.deepEqual(kept, { generation: 4, started: action.id });
  // It is under way, or there: no second thoughts.
  assert.equal(planned(NEVER, undefined, { kept }, { creating: new Set([action.id]) }).status?.state, 'starting');
  assert.equal(planned(NEVER, sandboxOf(action.id, 'running'), { kept }).status?.state, 'running');
  // It is not: the machine was rebooted in the middle.
  const lost = planned(NEVER, undefined, { kept });
  assert.equal(lost.action?.action, 'record');
  assert.equal(lost.action.keep.ended?.exit?.reason, 'interrupted');
  assert.equal(planned(NEVER, undefined, { kept: lost.action.keep }).status?.state, 'exited');
  // Control: one that runs until it succeeds is started again.
  assert.equal(planned(UNTIL, undefined, { kept }).action?.action, 'create');
});

test('plan() says why it starts something again by its policy', () => {
  const info = sandboxOf(firstId(UNTIL), 'exited', { exit: FAILED });
  const exit = { id: info.id, at: NOW - 60_000, quickExits: 1 };
  assert.match(planned(UNTIL, info, { exit }).action?.reason ?? '', /failed \(exit code 3\) and is to run until it succeeds/);
  const always = { ...ASSIGNMENT, generation: 4 };
  const steady = sandboxOf(firstId(always), 'exited', { exit: OK });
  assert.match(planned(always, steady, { exit: { ...exit, id: steady.id } }).action?.reason ?? '', /is to run always/);
});

test('plan() names the generation that is wanted and the one that its word is about', () => {
  const old = sandboxOf(firstId({ ...ASSIGNMENT, generation: 1 }), 'running');
  const { status } = planned({ ...ASSIGNMENT, generation: 2 }, old);
  assert.deepEqual([status?.state, status?.generation, status?.observedGeneration], ['stopping', 2, 1]);
  const there = planned({ ...ASSIGNMENT, generation: 1 }, old).status;
  assert.deepEqual([there?.state, there?.generation, there?.observedGeneration], ['running', 1, 1]);
  const blocked = planned({ ...ASSIGNMENT, generation: 7, command: 'x' }).status;
  assert.deepEqual([blocked?.state, blocked?.generation, blocked?.observedGeneration], ['blocked', 7, 7]);
});

test('plan() goes on with a sandbox whose id an earlier Bureau made', () => {
  const id = firstId(ASSIGNMENT).replace('-g0-', '-');
  const { action, status } = planned(ASSIGNMENT, sandboxOf(id, 'running'));
  assert.equal(action, undefined);
  assert.deepEqual([status?.state, status?.observedGeneration], ['running', 0]);
});

test('keptWith() drops what was about another generation', () => {
  const good = { id: 'a-g1-0', spec: { v: 1, command: ['x'] } as never };
  assert.deepEqual(keptWith({ generation: 1, started: 'a-g1-0', good }, 2, { started: 'b-g2-0' }), {
    generation: 2,
    good,
    started: 'b-g2-0',
  });
});

test('plan() replaces what ended under a later generation, and begins what runs once, only when the rooms are certain', () => {
  const later = sandboxOf(firstId({ ...ASSIGNMENT, generation: 5 }), 'exited', { exit: OK });
  const back = planned({ ...ASSIGNMENT, generation: 4 }, later).action;
  assert.ok(back?.action === 'create' && needsConfirmation(back));
  const on = planned({ ...ASSIGNMENT, generation: 6 }, later).action;
  assert.ok(on?.action === 'create' && !needsConfirmation(on));
  const once = planned(NEVER).action;
  assert.ok(once?.action === 'create' && needsConfirmation(once), 'what runs at most once is begun when the rooms are certain');
});

test('plan() is certain of the rooms first when a later generation is known to have been (seed 82017)', () => {
  const assignment = { ...ASSIGNMENT, restart: 'on-failure' };
  const { action } = planned(assignment, undefined, { kept: { generation: 1, started: 'k-g1-0' } });
  assert.deepEqual([action?.action, action?.action === 'create' && action.replaces], ['create', 'newer']);
  const { action: usual } = planned(assignment, undefined, { kept: { generation: 0 } });
  assert.deepEqual([usual?.action, usual?.action === 'create' && usual.replaces], ['create', undefined], 'the control');
});
