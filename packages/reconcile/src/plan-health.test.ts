// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { readDesired } from './desired.ts';
import type { Health } from './health-monitor.ts';
import { GUARDED_SETTLE_MILLISECONDS } from './limits.ts';
import type { Memory } from './memory.ts';
import type { PlanInput } from './plan-input.ts';
import { plan } from './plan.ts';
import { ASSIGNMENT, FAILED, NOW, OK, firstId, planned, sandboxOf } from './testing/plan-fixture.ts';

const HELLO = parsePrincipalName('demo/hello');
const CHECK = { type: 'socket', endpoint: '/workspace/health.sock' };
const CHECKED = { ...ASSIGNMENT, healthCheck: CHECK };
const WHY = 'it failed 3 health checks in a row: it says: no database';
const WORDS = { checking: {}, healthy: {}, unhealthy: { message: WHY } };

function known(id: string, state: Health['state'], wasHealthy = state === 'healthy'): Pick<PlanInput, 'health'> {
  return { health: new Map([[HELLO, { id, startedAt: NOW - 10, state, wasHealthy, ...WORDS[state] }]]) };
}

test('plan() of one with a health check says how it is, and asks those that run', () => {
  const id = firstId(CHECKED);
  const running = sandboxOf(id, 'running');
  assert.equal(planned(CHECKED, running).status?.health, 'checking');
  assert.equal(planned(CHECKED, running, {}, known(id, 'healthy')).status?.health, 'healthy');
  assert.equal(planned(CHECKED, running, {}, known('another-g0-0', 'unhealthy')).status?.health, 'checking', 'of another sandbox');
  assert.equal(planned(CHECKED, sandboxOf(id, 'creating')).status?.health, undefined);
  assert.equal(planned(ASSIGNMENT, sandboxOf(firstId(ASSIGNMENT), 'running')).status?.health, undefined, 'without one');

  const watches = (assignment: object, state: 'running' | 'creating' | 'stopping'): number =>
    plan({
      desired: readDesired({
        assignments: [{ stateKey: 'demo/hello', eventId: '$a', content: assignment }],
        credentials: [],
        templates: [{ stateKey: 'default', eventId: '$t', content: { v: 1, description: 'The default' } }],
      }),
      observed: [sandboxOf(firstId(assignment), state)],
      runs: new Set(['12345678']),
      memory: new Map(),
      now: NOW,
    }).watches.length;
  assert.deepEqual(
    [watches(CHECKED, 'running'), watches(CHECKED, 'creating'), watches(CHECKED, 'stopping'), watches(ASSIGNMENT, 'running')],
    [1, 0, 0, 0],
  );
});

test('plan() takes a health check from the template, and the assignment’s instead, without another sandbox', () => {
  const templates = [{ stateKey: 'default', eventId: '$t', content: { v: 1, description: 'x', healthCheck: CHECK } }];
  const [desired] = readDesired({
    assignments: [{ stateKey: 'demo/hello', eventId: '$a', content: ASSIGNMENT }],
    credentials: [],
    templates,
  });
  assert.equal(desired?.target?.healthCheck?.endpoint, CHECK.endpoint);
  assert.deepEqual(
    { ...desired?.target?.healthCheck },
    { ...CHECK, intervalSeconds: 10, timeoutSeconds: 5, failureThreshold: 3, gracePeriodSeconds: 30 },
  );
  const other = { ...ASSIGNMENT, healthCheck: { type: 'http', endpoint: '/tmp/h', path: '/x' } };
  const [mine] = readDesired({ assignments: [{ stateKey: 'demo/hello', eventId: '$a', content: other }], credentials: [], templates });
  assert.equal(mine?.target?.healthCheck?.endpoint, '/tmp/h');
  assert.equal(mine?.target?.key, desired?.target?.key);
  assert.equal(firstId(CHECKED), firstId(ASSIGNMENT));
});

/** What is on disk once it was found unhealthy. */
function writtenDown(assignment: object, wasHealthy = true): Memory {
  const id = firstId(assignment);
  const { action, status } = planned(assignment, sandboxOf(id, 'running'), {}, known(id, 'unhealthy', wasHealthy));
  assert.equal(action?.action, 'record');
  assert.match(action.reason, /no database/);
  assert.deepEqual([status?.state, status?.health, status?.message], ['running', 'unhealthy', WHY]);
  assert.deepEqual(action.keep.unhealthy, { id, startedAt: NOW - 10, message: WHY, wasHealthy });
  return { kept: action.keep };
}

test('plan() of an unhealthy one writes it down, ends it, and starts it again as what has failed, whatever it answered to TERM', () => {
  for (const restart of ['always', 'on-failure'] as const) {
    const assignment = { ...CHECKED, restart };
    const id = firstId(assignment);
    const memory = writtenDown(assignment);
    const { action } = planned(assignment, sandboxOf(id, 'running'), memory);
    assert.deepEqual([action?.action, action?.action === 'destroy' && action.decidedBy], ['destroy', 'machine']);
    assert.match(action?.reason ?? '', /unhealthy: it failed 3 health checks/);
    assert.equal(planned(assignment, sandboxOf(id, 'stopping'), memory).action, undefined, 'once');
    const ended = { ...memory, exit: { id, at: NOW - 60_000, quickExits: 1 } };
    const after = planned(assignment, sandboxOf(id, 'exited', { exit: OK }), ended);
    assert.deepEqual([after.action?.action, after.action?.action === 'create' && after.action.id], ['create', id.replace(/-0$/, '-1')]);
    const waiting = planned(assignment, sandboxOf(id, 'exited', { exit: OK }), { ...memory, exit: { id, at: NOW, quickExits: 1 } });
    assert.deepEqual(waiting.status?.exit, { code: null, signal: null, reason: `unhealthy: ${WHY}` });
    // The control: what ended by itself with 0 has completed.
    const own = planned(assignment, sandboxOf(id, 'exited', { exit: OK }), { exit: ended.exit });
    assert.equal(own.action?.action, restart === 'always' ? 'create' : 'record');
  }
});

test('plan() does not take a sandbox for the unhealthy one of before that had its id, before the power failed', () => {
  const id = firstId(CHECKED);
  const later = { startedAt: NOW - 5 };
  const memory = writtenDown(CHECKED);
  assert.equal(planned(CHECKED, sandboxOf(id, 'running', later), memory).action, undefined);
  assert.equal(planned(CHECKED, sandboxOf(id, 'running', later), {}, known(id, 'unhealthy')).action, undefined);
  assert.deepEqual(planned(CHECKED, sandboxOf(id, 'exited', { ...later, exit: OK }), memory).status?.exit, OK);
});

test('plan() of an unhealthy one that runs once: it is ended, and has failed for good', () => {
  const assignment = { ...CHECKED, restart: 'never' };
  const id = firstId(assignment);
  const memory = writtenDown(assignment);
  assert.equal(planned(assignment, sandboxOf(id, 'running'), memory).action?.action, 'destroy');
  const { action } = planned(assignment, sandboxOf(id, 'exited', { exit: OK }), memory);
  assert.ok(action?.action === 'record');
  assert.deepEqual(planned(assignment, sandboxOf(id, 'exited', { exit: OK }), { kept: action.keep }).status?.state, 'exited');
});

test('plan() ends nothing for its health that it could not start again, nor by what is said of another or without a check', () => {
  const id = firstId(CHECKED);
  const ill = known(id, 'unhealthy');
  const cordoned = planned(CHECKED, sandboxOf(id, 'running'), {}, { ...ill, machine: { cordoned: true, draining: false } });
  assert.deepEqual([cordoned.action, cordoned.status?.health], [undefined, 'unhealthy']);
  assert.equal(planned(CHECKED, sandboxOf(id, 'running'), {}, known('another-g0-0', 'unhealthy')).action, undefined);
  assert.equal(planned(ASSIGNMENT, sandboxOf(id, 'running'), {}, ill).action, undefined);
  assert.equal(planned(CHECKED, sandboxOf(id, 'running'), {}, known(id, 'checking')).action, undefined);
});

test('plan() of a guarded update with a health check: good is what is healthy, and an unhealthy one is taken back', () => {
  const old = { ...CHECKED, update: 'guarded' };
  const next = { ...old, generation: 1, command: ['/bin/newer'] };
  const id = firstId(old);
  const long = sandboxOf(id, 'running', { startedAt: NOW - 10 * GUARDED_SETTLE_MILLISECONDS });
  assert.equal(planned(old, long).action?.action, 'hold', 'time alone does not make it good');
  const { action } = planned(old, sandboxOf(id, 'running'), {}, known(id, 'healthy'));
  assert.ok(action?.action === 'record');
  assert.equal(action.keep.good?.healthCheck?.endpoint, CHECK.endpoint);
  assert.equal(planned(old, long, { kept: action.keep }, known(id, 'healthy')).action, undefined, 'once');

  const newer = firstId(next);
  const found = planned(next, sandboxOf(newer, 'running'), { kept: action.keep }, known(newer, 'unhealthy', false));
  assert.ok(found.action?.action === 'record');
  const kept = found.action.keep;
  assert.equal(planned(next, sandboxOf(newer, 'running'), { kept }).action?.action, 'destroy');
  const back = planned(next, sandboxOf(newer, 'exited', { exit: FAILED }), { kept });
  assert.ok(back.action?.action === 'create');
  assert.deepEqual([back.action.id, back.action.spec.command], [id.replace(/-0$/, '-1'), old.command]);
  assert.match(back.action.keep?.refused?.message ?? '', /unhealthy: it failed/);
});
