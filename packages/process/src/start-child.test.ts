// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { closeSync, lstatSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { BureauError, hasCode } from '@bureau/core';
import { FAILURE_MAX_CHARACTERS } from './limits.ts';
import { CgroupTree, startChild, systemClock, type Child, type StartChildOptions } from './index.ts';
import { markedProcesses, markedShell } from './marked-shell.testing.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync('/tmp/process-');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function shell(script: string, more: Partial<StartChildOptions> = {}): StartChildOptions {
  return markedShell(directory, script, more);
}

function survivors(): number[] {
  return markedProcesses(directory);
}

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').filter((name) => lstatSync(`/proc/self/fd/${name}`, { throwIfNoEntry: false }) !== undefined);
}

async function failure(options: StartChildOptions): Promise<BureauError> {
  const before = descriptors();
  try {
    const child = await startChild(options);
    await child.stop(0);
  } catch (error) {
    assert.ok(error instanceof BureauError && error.code === 'child_failed', String(error));
    assert.deepEqual(survivors(), []);
    assert.deepEqual(descriptors(), before);
    return error;
  }
  return assert.fail('expected child_failed');
}

test('startChild() resolves when the child says ready, and not before', async () => {
  const child = await startChild(
    shell(`sleep 0.05; : > ${directory}/made; printf 're'; printf 're' >&3; sleep 0.01; printf 'ady\n' >&3; exec sleep 60`),
  );
  assert.deepEqual(readdirSync(directory), ['made']);
  assert.deepEqual(await child.stop(1_000), { code: null, signal: 'SIGTERM' });
  assert.deepEqual(await child.exited, { code: null, signal: 'SIGTERM' });
});

test('startChild() without readyFd resolves once it runs; exited tells the code', async () => {
  const { readyFd: _, ...options } = shell('exit 5', { stdio: ['ignore', 'ignore', 'ignore'] });
  const child = await startChild(options);
  assert.deepEqual(await child.exited, { code: 5, signal: null });
  assert.deepEqual(await child.stop(1_000), { code: 5, signal: null }, 'stop after the end tells the same');
});

test('startChild() rejects on early exit with its code, and on death with its signal', async () => {
  const exited = await failure(shell('sleep 60 & exit 3', { detached: true }));
  assert.deepEqual(exited.data, { command: '/bin/sh', reason: 'exited', code: 3, signal: null });
  assert.match(exited.message, /write "ready" to descriptor 3, but it exited with code 3 before/);
  const killed = await failure(shell('kill -KILL $$'));
  assert.deepEqual(killed.data, { command: '/bin/sh', reason: 'exited', code: null, signal: 'SIGKILL' });
});

test('startChild() rejects when the time is over, and kills the whole tree', async () => {
  const error = await failure(shell(`trap '' TERM; sleep 60 & (sleep 60 &) ; wait`, { readyMilliseconds: 60, detached: true }));
  assert.equal(error.data['reason'], 'timed_out');
  assert.match(error.message, /60 ms/);
});

test('startChild() rejects on abort, before and while it waits, with the reason as cause', async () => {
  const reason = new Error('no longer wanted');
  assert.equal((await failure(shell('exec sleep 60', { signal: AbortSignal.abort(reason) }))).cause, reason);
  const controller = new AbortController();
  const failing = failure(shell('exec sleep 60', { signal: controller.signal }));
  controller.abort(reason);
  const error = await failing;
  assert.equal(error.cause, reason);
  assert.equal(error.data['reason'], 'aborted');
});

test('startChild() ignores the signal after success', async () => {
  const controller = new AbortController();
  const child = await startChild(shell('echo ready >&3; exec sleep 60', { signal: controller.signal }));
  controller.abort();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(child.process.signalCode, null);
  await child.stop(0);
});

test('startChild() rejects when the pipe is closed without a word while the child lives on', async () => {
  assert.equal((await failure(shell('exec 3>&-; exec sleep 60'))).data['reason'], 'pipe_closed');
});

test('startChild() tells why a child cannot start in its own words, bounded, and quotes no log then', async () => {
  const logFile = `${directory}/log`;
  const log = openSync(logFile, 'a');
  const said = (words: string): Promise<BureauError> =>
    failure(shell(`echo logged; ${words} >&3; exec sleep 60`, { stdio: ['ignore', log, log, 'pipe'], logFile }));
  const error = await said(`echo "failed: EROFS: read-only file system, mkdir '/run/x'"`);
  assert.equal(error.data['reason'], 'said_why');
  assert.equal(
    error.message,
    `Expected /bin/sh to write "ready" to descriptor 3, but it cannot start: EROFS: read-only file system, mkdir '/run/x'.`,
  );
  const endless = await said('{ printf "failed: "; yes | tr -d "\\n"; }');
  assert.equal(endless.data['reason'], 'said_why');
  assert.ok(endless.message.length < FAILURE_MAX_CHARACTERS + 100);
  const steering = await said('printf "failed: \\033]52;x\\007\\n"');
  assert.doesNotMatch(steering.message, /[\u0000-\u001f]/);
  closeSync(log);
});

test('startChild() rejects what is not the readiness line, endless or binary too', async () => {
  const wrong = await failure(shell('echo hello >&3; exec sleep 60'));
  assert.deepEqual([wrong.data['reason'], /it wrote "hello" instead/.test(wrong.message)], ['not_ready_line', true]);
  const endless = await failure(shell('exec yes | tr -d "\\n" >&3'));
  assert.equal(endless.data['reason'], 'not_ready_line');
  assert.ok(endless.message.length < 300);
  const binary = await failure(shell('printf "\\033]52;x\\007\\n" >&3; exec sleep 60'));
  assert.doesNotMatch(binary.message, /\u001b/);
});

test('startChild() rejects a program that is missing or not executable, and says nothing of its arguments', async () => {
  writeFileSync(`${directory}/plain`, 'text', { mode: 0o644 });
  for (const command of [`${directory}/none`, `${directory}/plain`]) {
    const error = await failure({ ...shell(''), command, args: ['--secret', 'hunter2'] });
    assert.equal(error.data['reason'], 'not_started');
    assert.doesNotMatch(
      JSON.stringify([error, error.message, error.cause, (error.cause as Error).message, { ...(error.cause as object) }]),
      /hunter2/,
    );
  }
});

test('startChild() quotes the end of what the child added to its log, and not what was there before', async () => {
  const logFile = `${directory}/log`;
  writeFileSync(logFile, 'an earlier secret\n');
  const log = openSync(logFile, 'a');
  const options = shell(
    'i=0; while [ $i -lt 400 ]; do echo "line $i of the log"; i=$((i+1)); done; printf "\\033[31mlast words\\n"; exit 1',
    { logFile, stdio: ['ignore', log, log, 'pipe'] },
  );
  const error = await failure(options);
  assert.match(error.message, /ends:\n[\s\S]*line 399 of the log\n\?\[31mlast words$/);
  assert.ok(error.message.length < 2_048 + 300);
  const quiet = await failure(shell('exit 1', { logFile }));
  assert.match(quiet.message, /Nothing new is in its log/);
  const fresh = await failure(shell('exit 1', { logFile: `${directory}/missing` }));
  assert.match(fresh.message, /Nothing new is in its log/);
  closeSync(log);
});

test('startChild() gives exactly the environment and the arguments, with and without a control group', async () => {
  const tree = CgroupTree.open(`bureau-test-${process.pid}`);
  const script = 'process.stdout.write(JSON.stringify([process.env, process.argv.slice(1)]))';
  const args = ['$HOME', '`id`', "'", '"', '\n', '', '; id'];
  const env = { ONLY: '$(id)\n', EMPTY: '', ENV: '/dev/null' };
  for (const more of [{}, { cgroup: tree.group('x') }]) {
    const options = {
      command: process.execPath,
      args: ['-e', script, ...args],
      env,
      stdio: ['ignore', 'pipe', 2] as const,
      clock: systemClock,
    };
    const child = await startChild({ ...options, ...more });
    assert.deepEqual(JSON.parse(await text(child.process.stdout as Readable)), [env, args]);
    await child.exited;
  }
  for (const name of ['A.B', 'PWD', '', 'A B']) {
    await assert.rejects(startChild(shell('', { env: { [name]: '' }, cgroup: tree.group('x') })), { code: 'bad_environment_name' });
  }
  tree.remove();
});

test('startChild() passes raw descriptors at their index and leaves them open here', async () => {
  const passed = openSync(`${directory}/file`, 'a');
  const child = await startChild(
    shell('echo through >&4; echo ready >&3; exec sleep 60', { stdio: ['ignore', 'ignore', 'ignore', 'pipe', passed] }),
  );
  await child.stop(0);
  assert.equal(readFileSync(`${directory}/file`, 'utf8'), 'through\n');
  closeSync(passed);
});

test('startChild() gives the child only the agreed descriptors, with and without a control group', () => {
  // Descriptor 40 is inherited without close-on-exec: Node marks low ones at its start, but stops looking at a gap.
  const script = `
    import { CgroupTree, startChild, systemClock } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    const options = { command: '/bin/ls', args: ['/proc/self/fd'], env: {}, stdio: ['ignore', 1, 2, 'pipe'], clock: systemClock };
    const list = async (more) => { await (await startChild({ ...options, ...more })).exited; console.log('.'); };
    await list({ keepDescriptors: true });
    await list({});
    const tree = CgroupTree.open('bureau-test-fd-' + process.pid);
    await list({ cgroup: tree.group('x') });
    tree.remove();`;
  const run = ['-c', 'exec 40</etc/passwd; exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', script];
  const result = spawnSync('/bin/bash', run, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 });
  const lists = result.stdout
    .trim()
    .split('.\n')
    .map((part) => part.replace(/\.$/, '').trim().split('\n'));
  const [kept, ...closed] = lists;
  assert.ok(kept?.includes('40'), `control, with whatever else is open here: ${kept?.join(' ')}`);
  const agreed = ['0', '1', '2', '3', '4']; // 4 is what ls itself opened
  assert.deepEqual(closed, [agreed, agreed]);
});

test('startChild() leaks no descriptor, listener or process over 50 starts that succeed and fail', async () => {
  const controller = new AbortController();
  await (await startChild(shell('echo ready >&3; exec sleep 60', { signal: controller.signal }))).stop(0);
  const before = descriptors();
  for (let round = 0; round < 50; round += 1) {
    // The second pipe holds what nobody reads: it would stay open after the child's end.
    const script = ['echo ready >&3; exec sleep 60', 'echo unread; exit 1', 'echo unread; echo no >&3'][round % 3] ?? '';
    const options = shell(script, { signal: controller.signal, stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
    const starting = startChild({ ...options, ...(round % 10 === 9 ? { command: '/none' } : {}) });
    const end = async (child: Child): Promise<void> => {
      await child.stop(0);
      child.process.stdout?.destroy(); // after a success it is the caller's
    };
    await starting.then(end, (error: unknown) => assert.ok(hasCode(error, 'child_failed')));
  }
  assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
  assert.deepEqual(descriptors(), before);
  assert.deepEqual(survivors(), []);
});

test('startChild() refuses a readyFd that is no pipe', async () => {
  await assert.rejects(startChild(shell('', { readyFd: 2 })), { code: 'bad_ready_fd' });
  await assert.rejects(startChild(shell('', { readyFd: 9 })), { code: 'bad_ready_fd' });
});

test('startChild() with a control group that cannot be made or entered starts nothing', async () => {
  const tree = CgroupTree.open(`bureau-test-${process.pid}`);
  const gone = tree.group('x');
  tree.remove();
  const error = await failure(shell('echo ready >&3; exec sleep 60', { cgroup: gone }));
  assert.equal(error.data['reason'], 'not_started');
  assert.ok(hasCode(error.cause, 'cgroup_failed'));
});
