// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { test, type TestContext } from 'node:test';
import { parseInstanceName, parsePrincipalName } from '@bureau/core';
import { ensureInstanceDirectories, ensurePrincipalDirectories, ensureWorkspace } from './directories.ts';
import { instancePaths, type InstancePaths } from './paths.ts';
import { TEST_UID_BASE } from './testing.ts';
import { uidsOf } from './uids.ts';

const uids = uidsOf(TEST_UID_BASE);
const payload = uids.payload(3);

/** The real places of an instance that nobody else has. */
function instance(context: TestContext): InstancePaths {
  const paths = instancePaths(parseInstanceName(`t${randomBytes(4).toString('hex')}`));
  context.after(() => {
    for (const directory of [paths.runDir, paths.stateDir, paths.configDir, paths.logDir])
      fs.rmSync(directory, { recursive: true, force: true });
  });
  return paths;
}

function attributes(path: string): string {
  const found = fs.lstatSync(path);
  return `${(found.mode & 0o7777).toString(8)} ${found.uid}:${found.gid}`;
}

/** Whether a process with this uid (and the group of that number) may do it. */
function mayRun(uid: number, ...command: string[]): boolean {
  const child = spawnSync('setpriv', ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--', ...command], { timeout: 10_000 });
  assert.equal(child.error, undefined);
  return child.status === 0;
}

test('ensurePrincipalDirectories gives each directory its owner and mode, and can be repeated', (context) => {
  const paths = instance(context);
  ensureInstanceDirectories(paths, uids);
  for (let round = 0; round < 2; round += 1) {
    ensurePrincipalDirectories(paths, 3, uids);
    const own = paths.principal(3);
    assert.equal(attributes(own.agentDirectory), `750 0:${payload}`);
    assert.equal(attributes(own.adminDirectory), '700 0:0');
    assert.equal(attributes(own.relayDirectory), `750 0:${uids.daemon}`);
    assert.equal(attributes(own.exitDirectory), `700 ${payload}:${payload}`);
    fs.chmodSync(own.adminDirectory, 0o777);
  }
});

test('ensurePrincipalDirectories works on its own, without the rest of the instance', (context) => {
  const paths = instance(context);
  ensurePrincipalDirectories(paths, 0, uids);
  assert.equal(attributes(paths.principal(0).adminDirectory), '700 0:0');
});

test('the directories let in whom they should, and nobody else', (context) => {
  const paths = instance(context);
  ensureInstanceDirectories(paths, uids);
  ensurePrincipalDirectories(paths, 3, uids);
  const own = paths.principal(3);
  const other = uids.payload(4);
  const proxy = uids.proxy(3);
  const enters = (uid: number, directory: string): boolean => mayRun(uid, 'test', '-x', directory);
  assert.deepEqual(
    [payload, other, uids.daemon, proxy].map((uid) => enters(uid, own.agentDirectory)),
    [true, false, false, false],
  );
  assert.deepEqual(
    [payload, other, uids.daemon, proxy].map((uid) => enters(uid, paths.accessLogDirectory(3))),
    [false, false, false, true],
    'where an agent goes is read by its proxy and root alone',
  );
  assert.deepEqual(
    [payload, other, uids.daemon, proxy].map((uid) => enters(uid, own.adminDirectory)),
    [false, false, false, false],
  );
  assert.deepEqual(
    [payload, other, uids.daemon, proxy].map((uid) => enters(uid, own.relayDirectory)),
    [false, false, true, false],
  );
  assert.deepEqual(
    [payload, other, uids.daemon, proxy].map((uid) => enters(uid, own.exitDirectory)),
    [true, false, false, false],
  );
  assert.deepEqual(
    [payload, uids.daemon].map((uid) => enters(uid, paths.systemDir)),
    [false, true],
  );
  assert.deepEqual(
    [payload, uids.daemon].map((uid) => enters(uid, paths.launcherStateDirectory)),
    [false, false],
  );
  assert.deepEqual(
    [payload, uids.daemon, uids.homeserver].map((uid) => enters(uid, paths.daemonStateDirectory)),
    [false, true, false],
  );
  // Nobody but root learns who else is there, or puts anything where root looks.
  for (const directory of [paths.runDir, paths.principalsDir, own.directory, paths.workspaceRoot, paths.stateDir]) {
    assert.equal(mayRun(payload, 'ls', directory), false, directory);
    assert.equal(mayRun(payload, 'touch', `${directory}/planted`), false, directory);
  }
  assert.equal(mayRun(payload, 'touch', `${own.agentDirectory}/planted`), false);
  assert.equal(mayRun(payload, 'touch', `${own.exitDirectory}/exit.json`), true);
});

test('ensureWorkspace gives the payload its folder and root those above it', (context) => {
  const paths = instance(context);
  ensureInstanceDirectories(paths, uids);
  const name = parsePrincipalName('iree/amdgpu/pm');
  ensureWorkspace(paths, name, 3, uids);
  assert.equal(attributes(paths.workspaceOf(name)), `700 ${payload}:${payload}`);
  assert.equal(attributes(`${paths.workspaceRoot}/iree/amdgpu`), '711 0:0');
  assert.equal(mayRun(payload, 'touch', `${paths.workspaceOf(name)}/file`), true);
  ensureWorkspace(paths, name, 3, uids);
  assert.deepEqual(fs.readdirSync(paths.workspaceOf(name)), ['file']);
});

test('ensurePrincipalDirectories refuses a symlink that somebody planted', (context) => {
  const paths = instance(context);
  ensurePrincipalDirectories(paths, 3, uids);
  fs.rmdirSync(paths.principal(3).adminDirectory);
  fs.symlinkSync('/tmp', paths.principal(3).adminDirectory);
  assert.throws(() => ensurePrincipalDirectories(paths, 3, uids), { code: 'directory_unsafe' });
  assert.equal(attributes('/tmp').startsWith('1777'), true);
});
