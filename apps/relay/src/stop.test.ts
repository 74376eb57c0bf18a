// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { readProcess } from '@bureau/process';
import { RelayFixture, TEST_UID, killIfThere, processesOf } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

// Every fixture asserts, when it is disposed, that no process of its uid lives.

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

const shell = (script: string): string[] => ['sh', '-c', script];
const LONG_GRACE = 600_000;

async function until<T>(read: () => T, enough: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (let value = read(); ; value = read()) {
    if (enough(value)) return value;
    assert.ok(performance.now() < deadline, 'a change in the process table within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** It stops itself some time after its word. */
async function untilStopped(): Promise<void> {
  await until(
    () => processesOf(TEST_UID).some((pid) => readProcess(pid)?.state === 'T'),
    (stopped) => stopped,
  );
}

for (const terminal of [true, false]) {
  const how = terminal ? 'with a terminal' : 'without a terminal';

  test(`stop ends a payload that heeds TERM within its grace, ${how}`, async () => {
    await using relay = new RelayFixture(program, shell('trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.01; done'), {
      terminal,
    });
    await relay.running();
    const view = await relay.attach('observe');
    await view.until(/ready/);
    const client = await relay.connect();
    assert.deepEqual(await client.call('stop', { graceMilliseconds: LONG_GRACE }), { code: 3, signal: null, reason: 'stopped' });
    assert.equal((await view.all()).code, 3);
    assert.match(view.text, /bye/);
    assert.equal(await relay.ended(), 0);
    assert.deepEqual(relay.exitReport, { code: 3, signal: null, reason: 'stopped' });
  });

  for (const [name, script] of [
    ['ignores TERM', 'trap "" TERM HUP; echo ready; while :; do sleep 1; done'],
    ['is stopped', 'trap "" TERM; echo ready; while :; do kill -STOP $$; done'],
    [
      'left its session',
      'trap "" TERM; setsid sh -c "trap \\"\\" HUP; echo ready; exec >/dev/null 2>&1 </dev/null; sleep 1000 & sleep 1000" & wait; sleep 1000',
    ],
  ] as const) {
    test(`stop kills a payload that ${name}, ${how}`, async () => {
      await using relay = new RelayFixture(program, shell(script), { terminal });
      await relay.running();
      const view = await relay.attach('observe');
      await view.until(/ready/);
      if (name === 'is stopped') await untilStopped();
      const exit = await view.client.call('stop', { graceMilliseconds: 50 });
      assert.deepEqual(exit, { code: 137, signal: null, reason: 'stopped' });
      assert.equal(await relay.ended(), 0);
    });
  }
}

test('stop wakes a stopped payload that handles TERM', async () => {
  await using relay = new RelayFixture(program, shell('trap "exit 5" TERM; echo ready; kill -STOP $$; sleep 1000'), { terminal: true });
  await relay.running();
  const view = await relay.attach('observe');
  await view.until(/ready/);
  await untilStopped();
  assert.deepEqual(await view.client.call('stop', { graceMilliseconds: LONG_GRACE }, { deadlineMilliseconds: 15_000 }), {
    code: 5,
    signal: null,
    reason: 'stopped',
  });
});

test('a second stop with a shorter grace counts', async () => {
  await using relay = new RelayFixture(program, shell('trap "" TERM; echo ready; while :; do sleep 1; done'));
  await relay.running();
  const view = await relay.attach('observe');
  await view.until(/ready/);
  const patient = view.client.call('stop', { graceMilliseconds: LONG_GRACE }, { deadlineMilliseconds: 15_000 });
  const hasty = view.client.call('stop', { graceMilliseconds: 0 });
  assert.deepEqual(await hasty, { code: 137, signal: null, reason: 'stopped' });
  assert.deepEqual(await patient, await hasty);
});

test('relay ends what the payload left running when its first process ends', async () => {
  await using relay = new RelayFixture(
    program,
    shell('setsid sh -c "trap \\"\\" TERM HUP; exec >/dev/null 2>&1 </dev/null; while :; do sleep 1; done" & exit 6'),
  );
  await relay.running();
  assert.deepEqual((await relay.report('exited')).exit, { code: 6, signal: null });
  assert.equal(await relay.ended(), 0);
});

for (const whom of ['the relay', 'all of the relay’s group, as the end of a stand does,'])
  test(`SIGTERM to ${whom} stops its payload in good order`, async () => {
    await using relay = new RelayFixture(program, shell('trap "exit 9" TERM; echo ready; while :; do sleep 0.01; done'), {
      terminal: true,
    });
    await relay.running();
    await (await relay.attach('observe')).until(/ready/);
    const starter = processesOf(TEST_UID).filter((pid) => readProcess(pid)?.name === 'bureau-starter');
    assert.equal(starter.length, 1);
    if (whom !== 'the relay') for (const pid of starter) process.kill(pid, 'SIGTERM');
    relay.process.kill('SIGTERM');
    assert.deepEqual((await relay.report('exited')).exit, { code: 9, signal: null, reason: 'stopped' });
    assert.equal(await relay.ended(), 0);
  });

test('relay reports a sandbox whose init was killed from outside', async () => {
  await using relay = new RelayFixture(program, shell('echo ready; sleep 1000'), { terminal: true });
  const init = await relay.running();
  await (await relay.attach('observe')).until(/ready/);
  process.kill(init, 'SIGKILL');
  assert.deepEqual((await relay.report('exited')).exit, { code: 137, signal: null });
  assert.equal(await relay.ended(), 0);
});

test('relay reports a sandbox whose bwrap was killed from outside', async () => {
  await using relay = new RelayFixture(program, shell('echo ready; sleep 1000'));
  const init = await relay.running();
  await (await relay.attach('observe')).until(/ready/);
  process.kill(readProcess(init)!.parent, 'SIGKILL');
  assert.deepEqual((await relay.report('exited')).exit, { code: null, signal: 'SIGKILL', reason: 'sandbox_killed' });
  assert.equal(await relay.ended(), 0);
});

test('nothing of the sandbox outlives a relay that is killed', async () => {
  await using relay = new RelayFixture(program, shell('setsid sleep 1000 & echo ready; sleep 1000'), { terminal: true });
  await relay.running();
  await (await relay.attach('observe')).until(/ready/);
  relay.process.kill('SIGKILL');
  assert.equal(await relay.ended(), null);
});

test('a relay that is killed before "go" does not set its payload free', async () => {
  await using relay = new RelayFixture(program, shell('echo ran'), { terminal: true });
  const { pid } = await relay.report('started');
  relay.process.kill('SIGKILL');
  assert.equal(await relay.ended(), null);
  // Its starter has gone with it, and bwrap with that; its init as well, or it stands before the command until the launcher ends it.
  const left = await until(
    () => processesOf(TEST_UID),
    (pids) => pids.every((each) => each === pid),
  );
  left.forEach(killIfThere);
  await until(
    () => processesOf(TEST_UID).length,
    (count) => count === 0,
  );
  assert.equal(relay.output.toString(), '');
});

test('the payload and its observers live on when the launcher has died', async () => {
  await using relay = new RelayFixture(program, shell('read a; echo "one $a"; read b; echo "two $b"; exit 2'), { terminal: true });
  await relay.running();
  const before = await relay.attach('control');
  await before.type('x\n');
  await before.until(/one x/);
  relay.launcherDies();
  const later = await relay.attach('observe');
  await later.until(/one x/);
  await before.type('y\n');
  assert.deepEqual(await before.all(), { code: 2, signal: null });
  assert.deepEqual(await later.all(), { code: 2, signal: null });
  assert.match(later.text, /two y/);
  assert.equal(await relay.ended(), 0);
  assert.deepEqual(JSON.parse(readFileSync(relay.exitFile, 'utf8')), { code: 2, signal: null });
});
