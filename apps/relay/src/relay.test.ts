// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { RelayFixture } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

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
