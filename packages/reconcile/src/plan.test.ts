// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, type SandboxInfo } from '@bureau/protocol';
import { readDesired, type Facts } from './desired.ts';
import type { Memory } from './memory.ts';
import { authorizationKey, payloadKey } from './actions.ts';
import type { PlanInput } from './plan-input.ts';
import { plan } from './plan.ts';

const HELLO = parsePrincipalName('demo/hello');
const NOW = 1_000_000;

function facts(assignment: object, key = 'demo/hello'): Facts {
  return {
    assignments: [{ stateKey: key, eventId: '$assignment', content: assignment }],
    credentials: [{ stateKey: 'demo/hello', eventId: '$credentials', content: { v: 1, principal: 'demo/hello', bundle: 'YWdl' } }],
    templates: [{ stateKey: 'default', eventId: '$template', content: { v: 1, description: 'The default' } }],
  };
}

function input(assignment: object, more: Partial<PlanInput> = {}): PlanInput {
  return { desired: readDesired(facts(assignment)), observed: [], runs: new Set(), memory: new Map(), now: NOW, ...more };
}

const ASSIGNMENT = { v: 1, principal: 'demo/hello', command: ['/bin/true'] };

function createdId(assignment: object): string {
  const [action] = plan(input(assignment, { runs: new Set(['abcdefgh']) })).actions;
  assert.equal(action?.action, 'create');
  return action.id;
}

function there(id: string, state: SandboxInfo['state'], exit?: SandboxInfo['exit']): SandboxInfo {
  return {
    principal: HELLO,
    number: 0,
    id,
    state,
    startedAt: NOW - 10,
    proxyRestarts: 0,
    relaySocket: '/run/x',
    ...(exit === undefined ? {} : { exit }),
  };
}

const FED: ReadonlyMap<typeof HELLO, Memory> = new Map([
  [
    HELLO,
    {
      fed: '$credentials',
      authorized: authorizationKey(DEFAULT_AUTHORIZATION),
      told: payloadKey(createdId(ASSIGNMENT), {}),
    },
  ],
]);

test('plan() creates what is assigned and not there', () => {
  const { actions, statuses } = plan(input(ASSIGNMENT));
  assert.equal(actions.length, 1);
  assert.equal(actions[0]?.action, 'create');
  assert.equal(actions[0]?.event, '$assignment');
  assert.equal(statuses[0]?.state, 'pending');
});

test('plan() is empty when all is as desired', () => {
  const observed = [there(createdId(ASSIGNMENT), 'running')];
  assert.deepEqual(plan(input(ASSIGNMENT, { observed, memory: FED })).actions, []);
});

test('plan() tells grants and denials to a running proxy when they have changed, without a restart; a new sandbox has them from its start', () => {
  const denied = { ...ASSIGNMENT, authorization: { grants: [], denials: [{ actions: ['**'], targets: ['**'] }] } };
  const [create] = plan(input(denied)).actions;
  assert.deepEqual(create?.action === 'create' && create.authorization, denied.authorization);
  const observed = [there(createdId(ASSIGNMENT), 'running')];
  const [step] = plan(input(denied, { observed, memory: FED })).actions;
  assert.deepEqual(step?.action === 'authorize' && step.authorization, denied.authorization);
  const told = new Map([[HELLO, { ...FED.get(HELLO), authorized: authorizationKey(denied.authorization) }]]);
  assert.deepEqual(plan(input(denied, { observed, memory: told })).actions, []);
  const [back] = plan(input(ASSIGNMENT, { observed, memory: told })).actions;
  assert.deepEqual(back?.action === 'authorize' && back.authorization, DEFAULT_AUTHORIZATION);
});

test('plan() tells a new payload to what runs, without a restart, once; a new sandbox has it from its start', () => {
  const tasked = { ...ASSIGNMENT, payload: { task: 'count' } };
  const [create] = plan(input(tasked)).actions;
  assert.deepEqual(create?.action === 'create' && create.spec.payload, { task: 'count' });
  const id = createdId(ASSIGNMENT);
  assert.equal(createdId(tasked), id);
  const observed = [there(id, 'running')];
  const [step] = plan(input(tasked, { observed, memory: FED })).actions;
  assert.deepEqual(step?.action === 'update' && [step.id, step.files.payload], [id, { task: 'count' }]);
  const memory = new Map([[HELLO, { ...FED.get(HELLO), told: payloadKey(id, { payload: { task: 'count' } }) }]]);
  assert.deepEqual(plan(input(tasked, { observed, memory })).actions, []);
  assert.equal(plan(input(ASSIGNMENT, { observed, memory })).actions[0]?.action, 'update');
});

test('plan() says the same for the same input', () => {
  assert.deepEqual(plan(input(ASSIGNMENT)), plan(input(ASSIGNMENT)));
});

test('plan() replaces a sandbox whose assignment has changed, in two steps', () => {
  const old = createdId(ASSIGNMENT);
  const changed = { ...ASSIGNMENT, command: ['/bin/false'] };
  assert.equal(plan(input(changed, { observed: [there(old, 'running')] })).actions[0]?.action, 'destroy');
  assert.equal(plan(input(changed, { observed: [there(old, 'exited', { code: 0, signal: null })] })).actions[0]?.action, 'create');
});

test('plan() destroys and then forgets what has no assignment', () => {
  const id = createdId(ASSIGNMENT);
  assert.equal(plan(input({}, { observed: [there(id, 'running')] })).actions[0]?.action, 'destroy');
  assert.equal(plan(input({}, { observed: [there(id, 'exited', { code: 0, signal: null })] })).actions[0]?.action, 'forget');
});

test('plan() blocks one principal for a wrong event and leaves what runs alone', () => {
  const wrong = plan(
    input({ v: 1, principal: 'demo/hello', command: 'not a list' }, { observed: [there(createdId(ASSIGNMENT), 'running')] }),
  );
  assert.equal(wrong.actions[0]?.action, 'block');
  assert.match(wrong.actions[0]?.reason ?? '', /command/);
  assert.equal(wrong.statuses[0]?.state, 'running');
});

test('plan() names the known templates when one is unknown', () => {
  const { statuses } = plan(input({ ...ASSIGNMENT, template: 'defualt' }));
  assert.equal(statuses[0]?.state, 'blocked');
  assert.match(statuses[0]?.message ?? '', /no template "defualt"; known: default/);
});

test('plan() waits out the back-off before it starts an ended one again, then counts the attempt', () => {
  const id = createdId(ASSIGNMENT);
  const observed = [there(id, 'exited', { code: 1, signal: null })];
  const memory = new Map([[HELLO, { exit: { id, at: NOW, quickExits: 2 } }]]);
  const waiting = plan(input(ASSIGNMENT, { observed, memory }));
  assert.equal(waiting.actions[0]?.action, 'wait');
  assert.equal(waiting.statuses[0]?.state, 'backing_off');
  const [again] = plan(input(ASSIGNMENT, { observed, memory, now: NOW + 4_000 })).actions;
  assert.equal(again?.action, 'create');
  assert.equal(again.action === 'create' && again.id, id.replace(/-0$/, '-1'));
  // A clock that was set back an hour does not make it wait for one.
  assert.equal(plan(input(ASSIGNMENT, { observed, memory, now: NOW - 3_600_000 })).actions[0]?.action, 'create');
});

test('plan() leaves an ended one ended when its policy says so', () => {
  const never = { ...ASSIGNMENT, restart: 'never' };
  const { actions, statuses } = plan(input(never, { observed: [there(createdId(never), 'exited', { code: 3, signal: null })] }));
  assert.equal(actions[0]?.action, 'record');
  assert.equal(statuses[0]?.state, 'stopping');
});

test('plan() runs a run only while its command line is there', () => {
  const run = { ...ASSIGNMENT, run: { id: 'abcdefgh', terminal: false } };
  assert.deepEqual(plan(input(run)).actions, []);
  const [create] = plan(input(run, { runs: new Set(['abcdefgh']) })).actions;
  assert.equal(create?.action === 'create' && create.holdForObserver, true);
  assert.equal(plan(input(run, { observed: [there(createdId(run), 'running')] })).actions[0]?.action, 'destroy');
});

test('plan() tells who holds a run that it is starting only when the launcher has told of the sandbox: it attaches then', () => {
  const run = { ...ASSIGNMENT, run: { id: 'abcdefgh', terminal: false } };
  const runs = new Set(['abcdefgh']);
  const id = createdId(run);
  // Another principal's event makes it plan again while the launcher is at work.
  assert.equal(plan(input(run, { runs, creating: new Set([id]) })).statuses[0]?.state, 'pending');
  assert.equal(plan(input(run, { runs, creating: new Set([id]), observed: [there(id, 'creating')] })).statuses[0]?.state, 'starting');
  // Control: nobody attaches to an agent because of it.
  assert.equal(plan(input(ASSIGNMENT, { creating: new Set([createdId(ASSIGNMENT)]) })).statuses[0]?.state, 'starting');
});

test('plan() does not run a run twice', () => {
  const run = { ...ASSIGNMENT, run: { id: 'abcdefgh', terminal: false } };
  const observed = [there(createdId(run), 'exited', { code: 1, signal: null })];
  assert.deepEqual(plan(input(run, { observed, runs: new Set(['abcdefgh']) })).actions, []);
});

test('plan() rotates when the credentials are newer than those that were accepted', () => {
  const observed = [there(createdId(ASSIGNMENT), 'running')];
  const memory = new Map([[HELLO, { ...FED.get(HELLO), fed: '$older' }]]);
  assert.equal(plan(input(ASSIGNMENT, { observed, memory })).actions[0]?.action, 'rotate');
});

test('plan() stops what is to be stopped and keeps its assignment', () => {
  const stopped = { ...ASSIGNMENT, desired: 'stopped' };
  assert.equal(plan(input(stopped, { observed: [there(createdId(ASSIGNMENT), 'running')] })).actions[0]?.action, 'destroy');
  assert.equal(plan(input(stopped)).statuses[0]?.state, 'stopped');
});

test('readDesired() leaves out keys that are no names and survives any content', () => {
  for (const content of [null, 7, 'x', [], { v: 2 }, { __proto__: null, v: 1 }]) {
    const [desired] = readDesired(facts(content as object));
    assert.ok(desired === undefined || desired.fault !== undefined);
  }
  assert.deepEqual(readDesired(facts(ASSIGNMENT, '../etc/passwd')), []);
});
