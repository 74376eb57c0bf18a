// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import { processTree, readProcess, type ProcessEntry } from './index.ts';
import { parseProcessStat } from './process-table.ts';

test('parseProcessStat() survives every program name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 15 }), fc.nat(), (name, parent) => {
      const rest = ['S', parent, 7, 8, ...Array.from({ length: 15 }, () => 0), 12_345, 1, 2].join(' ');
      const entry = parseProcessStat(`42 (${name}) ${rest}\n`);
      assert.deepEqual(entry, { pid: 42, parent, group: 7, session: 8, state: 'S', zombie: false, startTime: 12_345, name });
    }),
  );
});

test('readProcess() tells this process, and undefined for a pid that does not exist', () => {
  const own = readProcess(process.pid);
  assert.equal(own?.parent, process.ppid);
  assert.equal(own?.zombie, false);
  assert.equal(readProcess(2 ** 30), undefined);
});

test('readProcess() tells a zombie from a live process', async ({ signal }) => {
  // A shell waits for its child when that ends before the shell has become `sleep`, which waits for nobody: the child lives until then.
  const middle = spawn('/bin/sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const turn = (): Promise<void> => {
    signal.throwIfAborted();
    return new Promise((resolve) => setImmediate(resolve));
  };
  const [line] = (await once(middle.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  while (readProcess(middle.pid ?? 0)?.name !== 'sleep') await turn();
  assert.equal(readProcess(pid)?.zombie, false);
  process.kill(pid, 'SIGKILL');
  while (readProcess(pid)?.zombie !== true) await turn();
  assert.equal(readProcess(pid)?.state, 'Z');
  middle.kill('SIGKILL');
  await once(middle, 'exit');
});

test('processTree() lists descendants, parents before children, and not the root or strangers', () => {
  const entry = (pid: number, parent: number): ProcessEntry => ({
    pid,
    parent,
    group: 1,
    session: 1,
    state: 'S',
    zombie: false,
    startTime: 1,
    name: 'x',
  });
  const table = [entry(1, 0), entry(12, 11), entry(10, 1), entry(11, 10), entry(20, 1), entry(13, 10)];
  assert.deepEqual(
    processTree(10, table).map(({ pid }) => pid),
    [11, 13, 12],
  );
  assert.deepEqual(processTree(99, table), []);
  assert.deepEqual(
    processTree(5, [entry(5, 6), entry(6, 5)]).map(({ pid }) => pid),
    [6],
    'a cycle (pids reused while reading) ends',
  );
});
