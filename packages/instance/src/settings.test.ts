// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parseInstanceName, parseMachineName, parseRoomId, parseServerName, parseUserId } from '@bureau/core';
import { instancePaths, type InstancePaths } from './paths.ts';
import { readMachine, readSettings, writeMachine, writeSettings, type InstanceSettings, type MachineSettings } from './settings.ts';

const settings: InstanceSettings = {
  v: 1,
  name: parseInstanceName(''),
  uidBase: 200_000,
  serverName: parseServerName('bureau.local'),
  homeserverPort: 6_167,
  homeserverUrl: 'http://127.0.0.1:6167',
  machine: parseMachineName('machine/workstation'),
  build: 'abc123',
};

const machine: MachineSettings = {
  v: 1,
  machine: parseMachineName('machine/workstation'),
  userId: parseUserId('@machine/workstation:bureau.local'),
  configRoom: parseRoomId('!config'),
  configRoomCreator: parseUserId('@bureau-admin:bureau.local'),
  templateRoom: parseRoomId('!template:bureau.local'),
  agentsRoom: parseRoomId('!agents'),
  homeserverUrl: 'http://127.0.0.1:6167',
  serverName: parseServerName('bureau.local'),
  recipient: 'age1x',
};

function paths(context: TestContext): InstancePaths {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-settings-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  return {
    ...instancePaths(parseInstanceName('')),
    settingsFile: join(directory, 'instance.json'),
    machineFile: join(directory, 'machine.json'),
  };
}

test('readSettings reads what writeSettings wrote', (context) => {
  const where = paths(context);
  writeSettings(where, settings);
  assert.deepEqual(readSettings(where), settings);
  assert.equal(fs.statSync(where.settingsFile).mode & 0o777, 0o644);
});

test('readMachine reads what writeMachine wrote, for root and the daemon alone', (context) => {
  const where = paths(context);
  writeMachine(where, machine, 200_000);
  assert.deepEqual(readMachine(where), machine);
  const found = fs.statSync(where.machineFile);
  assert.deepEqual([found.mode & 0o777, found.uid, found.gid], [0o640, 0, 200_000]);
});

test('readSettings says when there are none', (context) => {
  assert.throws(() => readSettings(paths(context)), { code: 'file_missing' });
});

for (const [field, value] of [
  ['name', 'UPPER'],
  ['uidBase', 0],
  ['uidBase', '200000'],
  ['serverName', 'a b'],
  ['homeserverPort', 65_536],
  ['homeserverUrl', 'file:///etc/passwd'],
  ['machine', 'workstation'],
  ['build', 'a\u0000b'],
  ['more', 1],
] as const) {
  test(`readSettings refuses ${field} ${JSON.stringify(value)} and names it`, (context) => {
    const where = paths(context);
    fs.writeFileSync(where.settingsFile, JSON.stringify({ ...settings, [field]: value }));
    assert.throws(() => readSettings(where), { code: 'file_malformed', data: { path: where.settingsFile, field } });
  });
}
