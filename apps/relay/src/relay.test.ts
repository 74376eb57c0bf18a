// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { readProcessStatus } from '@bureau/process';
import { RelayFixture, TEST_UID } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

/** The starter wakes its relay by itself after 5 s: what comes later shows nothing. */
const WAIT_MILLISECONDS = 4_000;
const shell = (script: string): string[] => ['sh', '-c', script];

test('relay brings a payload to its end: reports, output, exit file, its own exit 0', async () => {
  await using relay = new RelayFixture(program, shell('read go; printf "first..last"; exit 7'));
  assert.ok((await relay.running()) > 1);
  const view = await relay.attach('observe');
  // It is attached when it is told something: what ends at once would have ended before.
  await view.step();
  await view.client.call('input', { data: Buffer.from('\n') });
  assert.deepEqual(await view.all(), { code: 7, signal: null });
  assert.equal(view.text, 'first..last');
  assert.deepEqual((await relay.report('exited')).exit, { code: 7, signal: null });
  assert.equal(await relay.ended(), 0);
  assert.deepEqual(relay.exitReport, { code: 7, signal: null });
  assert.equal(relay.output.toString(), 'first..last');
});

test('a command runs and is logged while its relay sleeps, and who connects is told when it began', async () => {
  await using relay = new RelayFixture(program, shell('sleep 0.3; echo before anybody looked; sleep 100'));
  await relay.report('started');
  const began = Date.now();
  relay.launcherPipe.write('g');
  await relay.report('running');
  while (relay.output.length === 0 && Date.now() < began + WAIT_MILLISECONDS) await new Promise((resolve) => setTimeout(resolve, 5));
  const seen = Date.now();
  assert.equal(relay.output.toString(), 'before anybody looked\n');
  assert.equal(readProcessStatus(relay.process.pid!)?.uids[0], 0, 'it has not taken over');
  const view = await relay.attach('observe');
  await relay.report('ready');
  assert.equal(readProcessStatus(relay.process.pid!)?.uids[0], TEST_UID);
  await view.until(/before anybody looked/);
  const { startedAt } = await view.client.call('status', {});
  // Its first word came 300 ms after its beginning, and nobody had taken over by then.
  assert.ok(
    startedAt >= began - 50 && startedAt <= seen - 250,
    `${startedAt - began} ms after "go", ${seen - startedAt} before it was seen`,
  );
});

for (const terminal of [true, false]) {
  const how = terminal ? 'with a terminal' : 'without a terminal';
  for (const [script, code] of [
    ['exit 0', 0],
    ['exit 255', 255],
    ['kill -9 $$', 137],
    ['kill -TERM $$', 143],
  ] as const) {
    test(`relay reports exit code ${code} of "${script}" ${how}`, async () => {
      await using relay = new RelayFixture(program, shell(script), { terminal });
      await relay.running();
      assert.deepEqual((await relay.report('exited')).exit, { code, signal: null });
      assert.equal(await relay.ended(), 0);
    });
  }
}

test('relay cuts an output log that starts before it made too long, though nothing more is put out', async () => {
  await using relay = new RelayFixture(program, shell('exit 0'));
  writeFileSync(relay.outputFile, Buffer.alloc(9 * 1024 * 1024, 'x'));
  await relay.go();
  assert.equal(await relay.ended(), 0);
  assert.equal(relay.output.length, 4 * 1024 * 1024);
});
