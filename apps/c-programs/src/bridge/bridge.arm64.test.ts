// SPDX-License-Identifier: Apache-2.0
// bureau-bridge for arm64, emulated: what an error of its processor would break. The tests of this machine's own say all that is right.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test, type TestContext } from 'node:test';
import { compileForBoth, elfOf, type BothPrograms } from '../arm64.testing.ts';
import { dial, directoryOf, readAll, serveUnix, startBridge } from './bridge.testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'bureau-bridge-arm64-'));
let programs: BothPrograms;
before(() => void (programs = compileForBoth(folder, 'bridge')));
after(() => rmSync(folder, { recursive: true }));

test('arm64: the bridge is static, position-independent, with read-only relocations and no executable stack', () => {
  const elf = elfOf(programs.arm64Binary);
  assert.match(elf, /Machine:\s+AArch64/);
  assert.match(elf, /Type:\s+DYN/);
  assert.match(elf, /GNU_RELRO/);
  assert.match(elf, /GNU_STACK.* RW /);
  assert.doesNotMatch(elf, /INTERP/);
});

test('arm64: a large body goes both ways unchanged, half-closed in between', async (context) => {
  const path = join(directoryOf(context), 's');
  await serveUnix(context, path, (socket) => {
    void readAll(socket).then((body) => socket.end(body));
  });
  const bridge = await startBridge(context, programs.arm64, path);
  const client = await dial(context, bridge.port);
  const body = randomBytes(8 * 1024 * 1024);
  client.end(body);
  assert.ok(body.equals(await readAll(client)));
  assert.equal(bridge.said(), '');
});

test('arm64: whichever side ends first, the other still gets every byte and can answer', async (context) => {
  const path = join(directoryOf(context), 's');
  const accepted: ((socket: Socket) => void)[] = [];
  await serveUnix(context, path, (socket) => accepted.shift()?.(socket));
  const bridge = await startBridge(context, programs.arm64, path);
  for (const first of ['client', 'server'] as const) {
    const arrived = new Promise<Socket>((resolve) => accepted.push(resolve));
    const client = await dial(context, bridge.port);
    const sides = { client, server: await arrived };
    const second = first === 'client' ? 'server' : 'client';
    const got = { client: readAll(sides.client), server: readAll(sides.server) };
    const [early, late] = [randomBytes(300_000), randomBytes(70_000)];
    sides[first].end(early);
    assert.ok(early.equals(await got[second]), `${second} gets everything although ${first} has ended`);
    sides[second].end(late);
    assert.ok(late.equals(await got[first]), `${first} still gets what ${second} says after its end`);
  }
  assert.equal(bridge.said(), '');
});

test('arm64: two hundred connections at once, each with its own bytes', async (context) => {
  const path = join(directoryOf(context), 's');
  await serveUnix(context, path, (socket) => socket.pipe(socket));
  const bridge = await startBridge(context, programs.arm64, path);
  const clients = await Promise.all(Array.from({ length: 200 }, () => dial(context, bridge.port)));
  const bodies = clients.map(() => randomBytes(2_000));
  for (const [at, client] of clients.entries()) client.end(bodies[at] ?? Buffer.alloc(0));
  const answers = await Promise.all(clients.map(readAll));
  assert.ok(answers.every((answer, at) => bodies[at]?.equals(answer)));
});

/** How the bridge ends around `command`, and what that put out; `signal` is sent at its first words. */
async function around(context: TestContext, command: readonly string[], signal?: NodeJS.Signals): Promise<[number | null, string]> {
  const path = join(directoryOf(context), 's');
  await serveUnix(context, path, (socket) => socket.pipe(socket));
  const child = spawn(programs.arm64, ['--listen', '127.0.0.1:0', '--socket', path, '--proxy-env', '--', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: '/usr/bin:/bin' },
  });
  context.after(() => child.kill('SIGKILL'));
  if (signal !== undefined) child.stdout.once('data', () => child.kill(signal));
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return [code as number | null, output];
}

test('arm64: exec mode ends as its command does, tells it the address, passes signals on', async (context) => {
  assert.deepEqual(await around(context, ['sh', '-c', 'exit 42']), [42, '']);
  assert.deepEqual(await around(context, ['sh', '-c', 'kill -KILL $$']), [137, '']);
  const [code, output] = await around(context, ['sh', '-c', 'echo $BUREAU_BRIDGE_URL $http_proxy $HTTPS_PROXY $NO_PROXY']);
  assert.equal(code, 0);
  assert.match(output, /^(http:\/\/127\.0\.0\.1:[0-9]+) \1 \1 localhost,127\.0\.0\.1,::1\n$/);
  for (const name of ['INT', 'TERM', 'USR1'] as const) {
    const script = `trap 'echo got ${name}; exit 7' ${name}; echo ready; while :; do sleep 0.01; done`;
    assert.deepEqual(await around(context, ['sh', '-c', script], `SIG${name}`), [7, `ready\ngot ${name}\n`]);
  }
});
