// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { dropPrivileges, readProcessStatus } from './index.ts';
import { parseProcessStatus } from './process-status.ts';

test('readProcessStatus() shows what dropPrivileges() leaves: one uid, no groups, no powers, no way back', async () => {
  const { command, args } = dropPrivileges(200_123, '/bin/sh', ['-c', 'echo started; exec sleep 60']);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const status = readProcessStatus(child.pid ?? 0);
  assert.deepEqual(status?.uids, [200_123, 200_123, 200_123, 200_123]);
  assert.deepEqual(status.gids, [200_123, 200_123, 200_123, 200_123]);
  assert.deepEqual(status.groups, []);
  for (const set of [status.capInheritable, status.capPermitted, status.capEffective, status.capBounding, status.capAmbient])
    assert.equal(set, 0n);
  assert.equal(status.noNewPrivileges, true);
  assert.equal(status.parent, process.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('readProcessStatus() of this process (root, the positive control) and of none', () => {
  const status = readProcessStatus(process.pid);
  assert.deepEqual(status?.uids, [0, 0, 0, 0]);
  assert.notEqual(status.capBounding & (1n << 21n), 0n);
  assert.equal(status.noNewPrivileges, false);
  assert.ok(status.residentKiB > 1_000);
  assert.equal(readProcessStatus(2 ** 30), undefined);
});

test('parseProcessStatus() reads a missing line as empty or zero', () => {
  const status = parseProcessStatus('Name:\ta b\nState:\tZ (zombie)\nUid:\t1\t2\t3\t4\n');
  assert.deepEqual(
    [status.name, status.state, status.uids, status.groups, status.capBounding, status.seccomp],
    ['a b', 'Z', [1, 2, 3, 4], [], 0n, 0],
  );
});

test('dropPrivileges() refuses root, negative, fractional and "no change"', () => {
  for (const uid of [0, -1, 1.5, Number.NaN, 4_294_967_295]) assert.throws(() => dropPrivileges(uid, '/bin/true', []), { code: 'bad_uid' });
});
