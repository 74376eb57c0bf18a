// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoomLook } from './condition.ts';
import { QUARANTINE_EXITS } from './limits.ts';
import { ASSIGNMENT, FAILED, NOW, OK, firstId, planned, sandboxOf } from './testing/plan-fixture.ts';

const RUNNING = sandboxOf(firstId(ASSIGNMENT), 'running');
const ENDED = sandboxOf(firstId(ASSIGNMENT), 'exited', { exit: FAILED });
const LONG_AGO = { id: ENDED.id, at: NOW - 3_600_000, quickExits: 1 };

test('plan() on a cordoned machine: nothing new is started, what runs goes on', () => {
  const machine = { cordoned: true, draining: false };
  const fresh = planned(ASSIGNMENT, undefined, {}, { machine });
  assert.deepEqual([fresh.action?.action, fresh.status?.state], ['hold', 'pending']);
  assert.match(fresh.status?.message ?? '', /cordoned/);
  assert.equal(planned(ASSIGNMENT, RUNNING, {}, { machine }).action, undefined);
  assert.equal(planned(ASSIGNMENT, ENDED, { exit: LONG_AGO }, { machine }).action?.action, 'hold');
  assert.equal(planned({ ...ASSIGNMENT, generation: 9 }, RUNNING, {}, { machine }).action?.action, 'hold', 'no replacement');
  assert.equal(planned({ ...ASSIGNMENT, desired: 'stopped' }, RUNNING, {}, { machine }).action?.action, 'destroy');
  const run = { ...ASSIGNMENT, run: { id: 'abcdefgh', terminal: false } };
  assert.equal(planned(run, undefined, {}, { machine, runs: new Set(['abcdefgh']) }).status?.state, 'blocked', 'who waits for it is told');
});

test('plan() on a machine that is drained: what runs ends, nothing new is started', () => {
  const machine = { cordoned: false, draining: true };
  assert.equal(planned(ASSIGNMENT, RUNNING, {}, { machine }).action?.action, 'destroy');
  assert.equal(planned(ASSIGNMENT, ENDED, { exit: LONG_AGO }, { machine }).action?.action, 'hold');
  assert.equal(planned(ASSIGNMENT, undefined, {}, { machine }).status?.state, 'pending');
});

test('plan() leaves a crash loop alone after so many ends in a row, once written down; a raised generation ends it', () => {
  const often = { exit: { id: ENDED.id, at: NOW - 1, quickExits: QUARANTINE_EXITS } };
  const seen = planned(ASSIGNMENT, ENDED, often);
  assert.equal(seen.action?.action, 'quarantine');
  const kept = seen.action.keep;
  const quarantined = planned(ASSIGNMENT, ENDED, { ...often, kept });
  assert.equal(quarantined.action, undefined);
  assert.equal(quarantined.status?.state, 'quarantined');
  assert.match(quarantined.told ?? '', /ended 10 times in a row.*exit code 3.*agent restart demo\/hello/);
  assert.equal(planned(ASSIGNMENT, undefined, { kept }).status?.state, 'quarantined', 'also after a restart of everything');
  assert.equal(planned({ ...ASSIGNMENT, generation: 1 }, ENDED, { kept }).action?.action, 'create');
  // Controls: one end fewer, and a limit of its own.
  assert.equal(planned(ASSIGNMENT, ENDED, { exit: { ...often.exit, quickExits: QUARANTINE_EXITS - 1 } }).action?.action, 'wait');
  const nervous = { ...ASSIGNMENT, quarantineAfter: 1 };
  assert.equal(planned(nervous, ENDED, { exit: { ...often.exit, quickExits: 1 } }).action?.action, 'quarantine');
});

test('plan() tells what lasts, not what passes', () => {
  const failing = (times: number): string | undefined =>
    planned(ASSIGNMENT, undefined, {
      failure: { key: `create ${firstId(ASSIGNMENT)}`, message: 'no', retryAt: NOW + 1, times },
    }).told;
  assert.deepEqual([failing(1), failing(3)], [undefined, 'no']);
  assert.match(planned({ ...ASSIGNMENT, template: 'defualt' }).told ?? '', /no template "defualt"/);
});

const WHEN = { room: '!r:bureau.test', type: 'm.bureau.test', stateKey: 'k', match: { ready: true } };

function looking(look: RoomLook): { facts: { look: () => RoomLook } } {
  return { facts: { look: () => look } };
}

function event(content: unknown, sender = '@pm:bureau.test'): RoomLook {
  return { seen: 'event', eventId: '$e', sender, content };
}

test('plan() starts when the condition holds, with the event as trigger; what runs goes on when it holds no more', () => {
  const conditional = { ...ASSIGNMENT, startWhen: WHEN };
  for (const [look, why] of [
    [{ seen: 'not a member' }, /not in that room/],
    [{ seen: 'nothing' }, /no such event/],
    [event({}), /no such event/],
    [event({ ready: false }), /"ready" does not match true/],
    [event([]), /no such event/],
  ] as const) {
    const { action, status } = planned(conditional, undefined, {}, looking(look));
    assert.equal(action?.action, 'hold');
    assert.equal(status?.state, 'waiting');
    assert.match(status.message ?? '', why);
  }
  const { action } = planned(conditional, undefined, {}, looking(event({ ready: true, for: 'you' })));
  assert.equal(action?.action, 'create');
  assert.deepEqual(action.spec.trigger, { ready: true, for: 'you' });
  const running = sandboxOf(action.id, 'running');
  assert.equal(planned(conditional, running, {}, looking(event({ ready: false }))).action, undefined);
});

test('plan() takes a condition that names a sender from that one only', () => {
  const conditional = { ...ASSIGNMENT, startWhen: { ...WHEN, sender: '@pm:bureau.test' } };
  assert.equal(planned(conditional, undefined, {}, looking(event({ ready: true }))).action?.action, 'create');
  const forged = planned(conditional, undefined, {}, looking(event({ ready: true }, '@eve:bureau.test')));
  assert.equal(forged.status?.state, 'waiting');
  assert.match(forged.status.message ?? '', /sent by @eve/);
});

test('plan() refuses a condition that names a room by an alias, which may be moved', () => {
  const { status } = planned({ ...ASSIGNMENT, startWhen: { ...WHEN, room: '#r:bureau.test' } });
  assert.equal(status?.state, 'blocked');
  assert.match(status.message ?? '', /startWhen\.room: expected a room ID/);
});

test('plan() of one that was stopped by a command: it is ended, and stays so for that generation alone', () => {
  const id = firstId(ASSIGNMENT);
  const kept = { generation: 0, halted: { generation: 0, by: '@operator:server', at: NOW } };
  const { action, status } = planned(ASSIGNMENT, sandboxOf(id, 'running'), { kept });
  assert.deepEqual([action?.action, action?.action === 'destroy' && action.decidedBy, status?.state], ['destroy', 'machine', 'stopping']);
  assert.match(action?.reason ?? '', /stopped by a command of @operator:server/);
  for (const info of [undefined, sandboxOf(id, 'exited', { exit: OK })]) {
    const after = planned(ASSIGNMENT, info, { kept });
    assert.deepEqual([after.action, after.status?.state], [undefined, 'stopped']);
    assert.match(after.status?.message ?? '', /"agent\.start" or a new generation/);
  }
  assert.equal(planned({ ...ASSIGNMENT, generation: 1 }, undefined, { kept }).action?.action, 'create', 'a new generation');
  assert.equal(planned(ASSIGNMENT, undefined, { kept: { generation: 0 } }).action?.action, 'create', 'the control');
});
