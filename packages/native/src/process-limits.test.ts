// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { limitProcess } from './index.ts';

test('limitProcess() lowers limits of another process, soft and hard, and never raises one', async () => {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  const limit = (name: string): string[] | undefined =>
    new RegExp(`^${name} +(\\S+) +(\\S+)`, 'm').exec(readFileSync(`/proc/${child.pid}/limits`, 'utf8'))?.slice(1);
  const before = limit('Max file size');
  limitProcess(child.pid ?? 0, { openFiles: 100, processes: 77 });
  assert.deepEqual(limit('Max core file size'), ['0', '0']);
  assert.deepEqual(limit('Max open files'), ['100', '100']);
  assert.deepEqual(limit('Max processes'), ['77', '77']);
  assert.deepEqual(limit('Max file size'), before);
  limitProcess(child.pid ?? 0, { openFiles: 200, fileSize: 2 ** 40 });
  assert.deepEqual(limit('Max open files'), ['100', '100']);
  assert.deepEqual(limit('Max file size'), [String(2 ** 40), String(2 ** 40)]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.throws(() => limitProcess(child.pid ?? 0, {}), { code: 'system_call_failed' });
});
