// SPDX-License-Identifier: Apache-2.0
// What earlier builds left on disk and in rooms, as they wrote it. New shapes are added here, none is changed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { EVENTS, readEvent } from '@bureau/protocol';
import { openMemoryFile } from './memory-file.ts';
import type { LastingMemory } from './memory.ts';
import { ASSIGNMENT, FAILED, NOW, OK, firstId, planned, sandboxOf } from './testing/plan-fixture.ts';

const ID = firstId(ASSIGNMENT);
const SPEC = {
  v: 1,
  command: ['/bin/true'],
  environment: {},
  mounts: [],
  directory: '/workspace',
  terminal: true,
  scratchSize: 536_870_912,
  profile: 'default',
};

/** Rows of `memory.sqlite` by the commit whose daemon wrote them. */
const ROWS: Readonly<Record<string, object>> = {
  // 8053f28, the first that kept anything.
  'demo/first': { exit: { id: ID.replace(/-g0-0$/, '-3'), at: NOW - 5_000, quickExits: 4 } },
  // Before guarded updates kept the policy that an earlier one ran by.
  'demo/good': { kept: { generation: 0, good: { id: ID, spec: SPEC } } },
  'demo/ended': { kept: { generation: 2, ended: { id: ID, restarts: 1, exit: { code: 0, signal: null } } }, notice: 'n' },
  'demo/quarantined': { kept: { generation: 0, quarantined: { at: NOW, exits: 10, exit: { code: 3, signal: null } } } },
  // 7e931d1, before health checks and stops by command.
  'demo/last': { exit: { id: ID, at: NOW, quickExits: 0 }, kept: { generation: 0, started: ID, removed: '$gone' } },
};

function memoriesOf(rows: Readonly<Record<string, object>>): { found: Map<string, LastingMemory>; faults: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-earlier-'));
  try {
    const path = join(directory, 'memory.sqlite');
    const file = new DatabaseSync(path);
    file.exec('PRAGMA journal_mode = WAL; CREATE TABLE memory (principal TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT');
    const add = file.prepare('INSERT INTO memory VALUES (?, ?)');
    for (const [principal, memory] of Object.entries(rows)) add.run(principal, JSON.stringify(memory));
    file.close();
    const faults: string[] = [];
    const store = openMemoryFile(path, (what) => faults.push(what));
    const found = new Map<string, LastingMemory>(store.load());
    store.close();
    return { found, faults };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('what earlier daemons remembered is read whole', () => {
  const { found, faults } = memoriesOf(ROWS);
  assert.deepEqual(faults, []);
  assert.deepEqual(Object.fromEntries(found), ROWS);
});

test('what a newer daemon remembered is read as far as it is known', () => {
  const { found, faults } = memoriesOf({ 'demo/newer': { kept: { generation: 1, unheard: { of: 1 } }, later: true } });
  assert.deepEqual([Object.fromEntries(found), faults], [{ 'demo/newer': { kept: { generation: 1 } } }, []]);
});

test('after an upgrade nothing is started that had ended, and nothing ended that runs', () => {
  const memory = (principal: string): LastingMemory => memoriesOf(ROWS).found.get(parsePrincipalName(principal)) ?? {};
  const once = { ...ASSIGNMENT, restart: 'on-failure', generation: 2 };
  assert.deepEqual(planned(once, undefined, memory('demo/ended')).status?.state, 'completed');
  assert.deepEqual(planned(ASSIGNMENT, sandboxOf(ID, 'exited', { exit: FAILED }), memory('demo/quarantined')).status?.state, 'quarantined');
  for (const principal of Object.keys(ROWS)) {
    const { action, status } = planned(ASSIGNMENT, sandboxOf(ID, 'running'), memory(principal));
    assert.deepEqual([action, status?.state, status?.health], [undefined, 'running', undefined], principal);
  }
  const guarded = { ...ASSIGNMENT, update: 'guarded', generation: 1, command: ['/bin/newer'] };
  const back = planned(guarded, sandboxOf(firstId(guarded), 'exited', { exit: OK }), memory('demo/good')).action;
  assert.deepEqual(back?.action === 'create' && back.spec.command, SPEC.command);
});

/** Contents of rooms as earlier builds wrote them. */
const CONTENTS: readonly (readonly [type: string, content: object])[] = [
  ['m.bureau.assignment', { v: 1, principal: 'demo/hello', command: ['/bin/true'] }],
  ['m.bureau.template', { v: 1, description: 'The default' }],
  ['m.bureau.principal_status', { v: 1, principal: 'demo/hello', state: 'running', restarts: 0, id: 'abc-0', startedAt: 1 }],
  [
    'm.bureau.machine_status',
    { v: 1, build: 'x', startedAt: 1, principals: [{ principal: 'demo/hello', state: 'running', restarts: 0, id: 'abc-0' }] },
  ],
  ['m.bureau.machine_provision', { v: 1, machine: 'machine/one', user: '@machine/one:server', at: 1, by: '@bureau-admin:server' }],
];

for (const [type, content] of CONTENTS)
  test(`what an earlier build wrote as ${type} is read`, () => {
    const definition = EVENTS.find((each) => each.type === type);
    assert.ok(definition !== undefined);
    const reading = readEvent(definition, content);
    assert.ok(reading.ok, reading.ok ? '' : reading.message);
  });
