// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RelayFixture, type View, within } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

const shell = (script: string): string[] => ['sh', '-c', script];

test('every observer sees everything, whoever comes and goes', async () => {
  await using relay = new RelayFixture(program, shell('stty -echo; while read line; do echo "<$line>"; done'), { terminal: true });
  await relay.running();
  const first = await relay.attach('control');
  await first.type('1\n');
  await first.until(/<1>/);
  const second = await relay.attach('observe');
  await second.until(/<1>/);
  first.client.close();
  await second.type('2\n');
  await second.until(/<2>/);
  const third = await attachWhenFree(relay);
  await third.until(/<1>.*<2>/s);
  await third.type('3\n');
  await second.until(/<3>/);
  await third.type('', true);
  assert.equal((await second.all()).code, 0);
  assert.equal((await third.all()).code, 0);
  assert.equal(second.text, third.text);
  assert.equal(third.text.match(/<\d>/g)?.join(''), '<1><2><3>');
  assert.deepEqual(third.chunks.map((chunk) => chunk.type).slice(0, 3), ['size', 'output', 'live']);
});

/** The relay notices a closed connection a moment after it is closed. */
async function attachWhenFree(relay: RelayFixture): Promise<View> {
  for (;;) {
    const view = await relay.attach('control');
    try {
      await view.step();
      return view;
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'control_taken');
    }
  }
}

test('replay gives what was asked for and says what is missing', async () => {
  await using relay = new RelayFixture(program, shell('printf 0123456789; sleep 1000'));
  await relay.running();
  await (await relay.attach('observe')).until(/0123456789/);
  const view = await relay.attach('observe', { replay: 4 });
  await view.until(/6789/);
  await view.step();
  assert.deepEqual(
    view.chunks.map((chunk) => (chunk.type === 'output' ? chunk.data.length : chunk)),
    [{ type: 'dropped', bytes: 6 }, 4, { type: 'live' }],
  );
});

test('a slow observer loses the oldest output and never slows the payload; the next bytes are the newest', async () => {
  const total = 40_000_000;
  await using relay = new RelayFixture(program, shell(`read go; head -c ${total} /dev/zero | tr "\\0" x; printf END; read go; echo last`));
  await relay.running();
  const slow = await relay.attach('observe');
  await slow.step();
  // Nobody reads `slow` from here on: its stream's credit runs out.
  const watcher = await relay.attach('observe', { replay: 0 });
  // It is attached when it is told something: on another connection nothing waits for it.
  await watcher.step();
  await slow.client.call('input', { data: Buffer.from('\n') });
  await watcher.until(/END$/);
  await slow.client.call('input', { data: Buffer.from('\n') });
  assert.equal((await slow.all()).code, 0);
  const dropped = slow.chunks.reduce((sum, chunk) => sum + (chunk.type === 'dropped' ? chunk.bytes : 0), 0);
  assert.ok(dropped > 0, 'something was dropped');
  assert.equal(dropped + slow.bytes().length, total + 'ENDlast\n'.length);
  assert.match(slow.bytes().subarray(-8).toString(), /ENDlast\n/);
});

test('a control observer that does not read makes the payload wait; one that detaches sets it free', async () => {
  await using relay = new RelayFixture(program, shell('head -c 40000000 /dev/zero; echo done >&2'), { holdForObserver: true });
  await relay.go();
  const stuck = await relay.attach('control');
  await stuck.step();
  const watcher = await relay.attach('observe', { replay: 0 });
  await within(untilQuiet(relay), 'output to stand still');
  assert.equal((await watcher.client.call('status', {})).state, 'running');
  stuck.client.close();
  assert.equal((await watcher.all()).code, 0);
  assert.equal(watcher.bytes('error').toString(), 'done\n');
});

/** Resolves when the payload's output log has not grown for a while: it stands in write(). */
async function untilQuiet(relay: RelayFixture): Promise<void> {
  for (let last = -1; ;) {
    const size = relay.output.length;
    if (size === last && size > 0) return;
    last = size;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

test('an observer that never reads does not hold up the end for long', async () => {
  await using relay = new RelayFixture(program, shell('read go; head -c 20000000 /dev/zero'));
  await relay.running();
  const stuck = await relay.attach('observe');
  await stuck.step();
  const other = await relay.connect();
  await other.call('input', { data: Buffer.from('\n') });
  assert.equal((await relay.report('exited')).exit.code, 0);
  assert.equal(await relay.ended(), 0);
});

test('relay ends at once though a client stays connected', async () => {
  await using relay = new RelayFixture(program, shell('read go'));
  await relay.running();
  const client = await relay.connect();
  const started = performance.now();
  await client.call('input', { data: Buffer.from('\n') });
  assert.equal(await relay.ended(), 0);
  await within(client.closed, 'end of the connection');
  assert.ok(performance.now() - started < 2_000);
});
