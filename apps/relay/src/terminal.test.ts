// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RelayFixture } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

const shell = (script: string): string[] => ['sh', '-c', script];

test('relay gives bash job control: Ctrl-Z, jobs, fg, Ctrl-C', async () => {
  await using relay = new RelayFixture(program, ['bash', '--norc', '--noprofile', '-i'], { terminal: true });
  await relay.running();
  const view = await relay.attach('control');
  await view.type("PS1='ready> '; PROMPT_COMMAND=\n");
  await view.until(/ready> $/);
  await view.type(`sh -c "trap 'echo go''ing' CONT; sleep 1000 & echo slee""ping; wait; wait"\n`);
  await view.until(/sleeping\r\n/);
  await view.type('\u001a');
  await view.until(/Stopped.*ready> $/s);
  await view.type('jobs; fg\n');
  // bash tells what it continues before it gives that the terminal, and continues it after: a Ctrl-C between the two would be bash's.
  await view.until(/jobs; fg.*\[1\]\+ +Stopped.*\r\ngoing\r\n$/s);
  await view.type('\u0003');
  await view.until(/\^C.*ready> $/s);
  await view.type('echo code=$?; exit 9\n');
  assert.deepEqual(await view.all(), { code: 9, signal: null });
  assert.match(view.text, /code=130/);
});

test('relay survives a Ctrl-C that the payload handles', async () => {
  await using relay = new RelayFixture(program, shell('trap "echo handled" INT; echo ready; read a; read b; echo "still $b"; exit 4'), {
    terminal: true,
  });
  await relay.running();
  const view = await relay.attach('control');
  await view.until(/ready/);
  await view.type('\u0003');
  await view.until(/handled/);
  await view.type('here\nhere\n');
  assert.deepEqual(await view.all(), { code: 4, signal: null });
  assert.match(view.text, /still here/);
});

test('relay ends an ordinary command by Ctrl-C with 130', async () => {
  await using relay = new RelayFixture(program, shell('echo ready; exec sleep 1000'), { terminal: true });
  await relay.running();
  const view = await relay.attach('control');
  await view.until(/ready/);
  await view.type('\u0003');
  assert.deepEqual(await view.all(), { code: 130, signal: null });
});

test('relay resizes the terminal, tells the payload and every observer', async () => {
  await using relay = new RelayFixture(program, shell('trap "stty size" WINCH; stty size; echo ready; while :; do read x && exit; done'), {
    terminal: true,
  });
  await relay.running();
  const view = await relay.attach('control');
  await view.until(/24 80\r\nready/);
  const watcher = await relay.attach('observe');
  await watcher.step();
  await view.client.call('resize', { columns: 132, rows: 50 });
  await view.until(/50 132\r\n/);
  await view.type('\n');
  await view.all();
  await watcher.all();
  const sizes = watcher.chunks.filter((chunk) => chunk.type === 'size');
  assert.deepEqual(sizes, [
    { type: 'size', columns: 80, rows: 24 },
    { type: 'size', columns: 132, rows: 50 },
  ]);
});

test('relay sends signals to the foreground process group', async () => {
  await using relay = new RelayFixture(program, ['bash', '--norc', '--noprofile', '-i'], { terminal: true });
  await relay.running();
  const view = await relay.attach('control');
  await view.type("PS1='ready> '; PROMPT_COMMAND=\n");
  await view.until(/ready> $/);
  await view.type('sh -c "echo slee""ping; exec sleep 1000"\n');
  await view.until(/sleeping\r\n/);
  await view.client.call('signal', { signal: 'SIGTERM' });
  await view.until(/Terminated.*ready> $/s);
  await view.type('exit 0\n');
  await view.all();
  await assert.rejects(view.client.call('signal', { signal: 'SIGTERM' }), { code: /not_running|connection_lost|connection_refused/ });
});

test('relay types the end of input, after a part of a line too', async () => {
  await using relay = new RelayFixture(program, ['cat'], { terminal: true });
  await relay.running();
  const view = await relay.attach('control');
  await view.type('half a line', true);
  assert.deepEqual(await view.all(), { code: 0, signal: null });
  assert.match(view.text, /half a linehalf a line/);
});

test('relay loses nothing of 50 MB through a control observer, with a terminal', async () => {
  await using relay = new RelayFixture(program, shell('stty -opost; seq 1 6500000; printf END'), { terminal: true, holdForObserver: true });
  await relay.go();
  const view = await relay.attach('control');
  assert.deepEqual(await view.all(), { code: 0, signal: null });
  assertSequence(view.bytes(), 6_500_000);
});

/** `seq 1 last` and "END", nothing lost, nothing twice. */
function assertSequence(bytes: Buffer, last: number): void {
  let expected = 1;
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    if (Number(bytes.toString('latin1', start, end)) !== expected)
      assert.fail(`expected ${expected}, found ${bytes.toString('latin1', start, end)}`);
    expected += 1;
    start = end + 1;
  }
  assert.equal(expected - 1, last);
  assert.equal(bytes.toString('latin1', start), 'END');
}
