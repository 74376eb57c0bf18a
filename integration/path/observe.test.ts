// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { readCredentials, startStand, until, type InstanceProcess, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 15_000;

let stand: Stand;
before(async () => (stand = await startStand()));
afterEach(async () => {
  await stand.bureau(['agent', 'remove', 'watch/one']);
  await stand.assertUnchanged();
});
after(async () => await stand.end());

/** The demo agent's own process. */
function demo(): InstanceProcess | undefined {
  return stand.processes().find(({ args, zombie }) => !zombie && args[1]?.endsWith('/demo-agent.js'));
}

/** Bodies of the newest messages of the agents room with their senders. */
async function messages(): Promise<string[]> {
  const room = encodeURIComponent(readCredentials(stand.facts.credential_file).get('MATRIX_AGENTS_ROOM') ?? '');
  const { body } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/messages?dir=b&limit=20`);
  return (body['chunk'] as { sender: string; content: { body?: string } }[]).map(
    ({ sender, content }) => `${sender}: ${content.body ?? ''}`,
  );
}

async function deploy(script: string): Promise<void> {
  const { code, stderr } = await stand.bureau(['agent', 'deploy', 'watch/one', '--', 'sh', '-c', script]);
  assert.equal(code, 0, stderr);
}

test('observe shows what was before and what comes; a typed line reaches the agent and the room; Ctrl-\\ detaches', async () => {
  const pid = demo()?.pid;
  assert.ok(pid !== undefined);
  await using terminal = stand.terminal(['observe', 'demo/hello']);
  await terminal.waitFor('I am demo/hello', WAIT_MILLISECONDS);
  await terminal.waitFor('Type a line and I post it', WAIT_MILLISECONDS);
  terminal.send('hello from the operator\r');
  await terminal.waitFor(/said in .*: hello from the operator \(\$/, WAIT_MILLISECONDS);
  assert.ok((await messages()).includes('@demo/hello:bureau.local: hello from the operator'));
  terminal.send('\x1c');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /detached from demo\/hello; it goes on/);
  assert.equal(demo()?.pid, pid, 'the agent is the one that was');
});

test('--read-only passes no byte, shows all, and Ctrl-C detaches', async () => {
  const pid = demo()?.pid;
  await using reader = stand.terminal(['observe', '--read-only', 'demo/hello']);
  await reader.waitFor('I am demo/hello', WAIT_MILLISECONDS);
  reader.send('never to be posted\r\x04');
  await using writer = stand.terminal(['observe', 'demo/hello']);
  await writer.waitFor('I am demo/hello', WAIT_MILLISECONDS);
  const mark = reader.mark();
  writer.send('a marker behind it\r');
  await reader.waitFor(/said in .*: a marker behind it/, WAIT_MILLISECONDS, mark);
  assert.ok(!(await messages()).some((line) => line.includes('never to be posted')));
  assert.ok(!writer.screen.text.includes('never to be posted'));
  reader.send('\x03');
  assert.equal(await reader.exitedWithin(WAIT_MILLISECONDS), 0);
  writer.send('\x1c');
  assert.equal(await writer.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.equal(demo()?.pid, pid);
});

test('an observer that is killed, or whose terminal goes away, leaves the agent alone', async () => {
  const pid = demo()?.pid;
  const killed = stand.terminal(['observe', 'demo/hello']);
  await killed.waitFor('I am demo/hello', WAIT_MILLISECONDS);
  process.kill(await killed.pid, 'SIGKILL');
  assert.equal(await killed.exitedWithin(WAIT_MILLISECONDS), 137);
  const closed = stand.terminal(['observe', 'demo/hello']);
  await closed.waitFor('I am demo/hello', WAIT_MILLISECONDS);
  closed.hangUp();
  await closed.exitedWithin(WAIT_MILLISECONDS);
  assert.equal(demo()?.pid, pid);
});

test('nothing of what an agent writes makes the observer’s terminal answer, copy or print', async () => {
  const hostile = String.raw`printf 'A\033]52;c;aGVsbG8=\007B\033]52;c;aGVsbG8=\033\\C\033P$q"p\033\\D\033P1000p\033\\E\033[cF\033[>cG\033[5nH\033[6nI\033_Gx\033\\J\033^p\033\\K\033]10;?\007L\033[?1mM\033Z\033[21tN\033[5iO\033]0;title\007\220x\234\235 52;c;x\234P\n'`;
  await deploy(`while :; do ${hostile}; sleep 0.2; done`);
  await using terminal = stand.terminal(['observe', 'watch/one']);
  await terminal.waitFor('A', WAIT_MILLISECONDS);
  // Replayed and live: both ways.
  await terminal.waitFor(/(P\r?\n[^]*){6}/, WAIT_MILLISECONDS);
  const seen = terminal.screen.bytes.toString('latin1');
  const refused = [
    '\x1b]52',
    '\x1bP',
    '\x1b[c',
    '\x1b[>c',
    '\x1b[5n',
    '\x1b[6n',
    '\x1b_',
    '\x1b^',
    '\x1b]10;?',
    '\x1bZ',
    '\x1b[21t',
    '\x1b[5i',
    '\x90',
    'aGVsbG8=',
  ];
  assert.deepEqual(
    refused.filter((sign) => seen.includes(sign)).map((sign) => JSON.stringify(sign)),
    [],
  );
  terminal.send('\x1c');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
});

test('observe ends with the agent and says how it ended', async () => {
  await deploy('echo here; read -r line; exit 7');
  await using terminal = stand.terminal(['observe', 'watch/one']);
  await terminal.waitFor('here', WAIT_MILLISECONDS);
  terminal.send('\r');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /watch\/one ended \(exit code 7\)/);
});

test('what is typed goes in byte for byte, control characters and all', async () => {
  await deploy(
    'stty raw -echo; echo ready; dd bs=1 count=12 2>/dev/null | od -An -tx1 | tr -d " \\n" > /workspace/typed; echo typed; sleep 1000',
  );
  await using terminal = stand.terminal(['observe', 'watch/one']);
  await terminal.waitFor('ready', WAIT_MILLISECONDS);
  terminal.send(Buffer.from([0x01, 0x03, 0x04, 0x1a, 0x1b, 0x5b, 0x41, 0x7f, 0xc3, 0xa9, 0x0d, 0x00]));
  await terminal.waitFor('typed', WAIT_MILLISECONDS);
  terminal.send('\x1c');
  await terminal.exitedWithin(WAIT_MILLISECONDS);
  await stand.bureau(['agent', 'remove', 'watch/one']);
  const { stdout } = await stand.bureau(['run', 'watch/one', '--', 'cat', '/workspace/typed']);
  assert.equal(stdout, '0103041a1b5b417fc3a90d00');
});

test('observe --json tells the end as one object', async () => {
  await deploy('echo here; until [ -e /workspace/go ]; do sleep 0.1; done; exit 4');
  await using observer = stand.spawnBureau(['observe', 'watch/one', '--json']);
  await observer.stderr.waitFor('here', WAIT_MILLISECONDS);
  writeFileSync(`${stand.paths.workspaceOf('watch/one' as never)}/go`, '');
  const { stdout, code } = await observer.exitedWithin(WAIT_MILLISECONDS);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { principal: 'watch/one', detached: false, exit: { code: 4, signal: null } });
});

test('two observers see the same', async () => {
  await deploy('n=0; while :; do n=$((n+1)); echo "line $n"; sleep 0.1; done');
  await using one = stand.terminal(['observe', 'watch/one']);
  await using two = stand.terminal(['observe', '--read-only', 'watch/one']);
  await Promise.all([one.waitFor('line 20\r\n', WAIT_MILLISECONDS), two.waitFor('line 20\r\n', WAIT_MILLISECONDS)]);
  for (const terminal of [one, two])
    for (let line = 1; line <= 20; line += 1) assert.ok(terminal.screen.text.includes(`line ${line}\r\n`), `${line}`);
  one.send('\x1c');
  two.send('\x1c');
  await until('both gone', WAIT_MILLISECONDS, () => !stand.processes().some(({ role }) => role === 'command'));
});
