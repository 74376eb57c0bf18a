// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { compileBuilds, type Build } from '../compile.testing.ts';
import { dial, directoryOf, readAll, serveUnix, startBridge } from './bridge.testing.ts';

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'bureau-bridge-build-'));
let programs: Record<Build, string>;
before(() => void (programs = compileBuilds(folder, 'bridge')));
after(() => rmSync(folder, { recursive: true }));

function residentBytes(pid: number | undefined): number {
  return Number(/VmRSS:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Resolves when the process waits for something; one that goes round without ever blocking never does. */
async function asleep(pid: number | undefined): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!/^State:\s+S/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) {
    assert.ok(Date.now() < deadline, 'it went on for 20 s without anything to do');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function sum(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('the bridge is static, position-independent, with read-only relocations and no executable stack', () => {
  const { stdout } = spawnSync('/usr/bin/readelf', ['-hlW', programs.hardened], { encoding: 'utf8' });
  assert.match(stdout, /Type:\s+DYN/);
  assert.match(stdout, /GNU_RELRO/);
  assert.match(stdout, /GNU_STACK.* RW /);
  assert.doesNotMatch(stdout, /INTERP/);
});

for (const build of ['hardened', 'sanitized'] as const) {
  test(`${build}: a large body goes both ways unchanged, half-closed in between`, async (context) => {
    const path = join(directoryOf(context), 's');
    await serveUnix(context, path, (socket) => {
      void readAll(socket).then((body) => socket.end(body));
    });
    const bridge = await startBridge(context, programs[build], path);
    const client = await dial(context, bridge.port);
    const body = randomBytes(24 * MIB);
    client.end(body);
    assert.equal(sum(await readAll(client)), sum(body));
    assert.equal(bridge.said(), '');
  });

  test(`${build}: a thousand connections at once, each with its own bytes`, async (context) => {
    const path = join(directoryOf(context), 's');
    await serveUnix(context, path, (socket) => socket.pipe(socket));
    const bridge = await startBridge(context, programs[build], path);
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => dial(context, bridge.port)));
    const bodies = clients.map(() => randomBytes(2_000));
    for (const [at, client] of clients.entries()) client.end(bodies[at] ?? Buffer.alloc(0));
    const answers = await Promise.all(clients.map(readAll));
    assert.ok(answers.every((answer, at) => bodies[at]?.equals(answer)));
    assert.equal(bridge.said(), '');
  });

  test(`${build}: whichever side ends first, and in whatever pieces, each gets every byte of the other`, async (context) => {
    const path = join(directoryOf(context), 's');
    const accepted: ((socket: Socket) => void)[] = [];
    await serveUnix(context, path, (socket) => accepted.shift()?.(socket));
    const bridge = await startBridge(context, programs[build], path);
    const step = fc.record({ side: fc.constantFrom('client' as const, 'server' as const), bytes: fc.integer({ min: 0, max: 200_000 }) });
    const plan = fc.record({ steps: fc.array(step, { maxLength: 12 }), first: fc.constantFrom('client' as const, 'server' as const) });
    await fc.assert(
      fc.asyncProperty(plan, async ({ steps, first }) => {
        const arrived = new Promise<Socket>((resolve) => accepted.push(resolve));
        const client = await dial(context, bridge.port);
        const sides = { client, server: await arrived };
        const sent = { client: [] as Buffer[], server: [] as Buffer[] };
        const got = { client: readAll(client), server: readAll(sides.server) };
        for (const { side, bytes } of steps) {
          const piece = randomBytes(bytes);
          sent[side].push(piece);
          sides[side].write(piece);
        }
        const second = first === 'client' ? 'server' : 'client';
        sides[first].end();
        assert.equal(sum(await got[second]), sum(Buffer.concat(sent[first])), `${second} gets everything although ${first} has ended`);
        const late = randomBytes(70_000);
        sent[second].push(late);
        sides[second].end(late);
        assert.equal(sum(await got[first]), sum(Buffer.concat(sent[second])), `${first} still gets what ${second} says after its end`);
      }),
      { numRuns: 60 },
    );
    assert.equal(bridge.said(), '');
  });

  test(`${build}: a reader that reads nothing costs the bridge no memory and stops nobody else`, async (context) => {
    const path = join(directoryOf(context), 's');
    const flood = Buffer.alloc(64 * MIB, 0x61);
    await serveUnix(context, path, (socket) =>
      socket.once('data', (first: Buffer) => socket.end(first.toString() === 'flood' ? flood : first)),
    );
    const bridge = await startBridge(context, programs[build], path);
    const before = residentBytes(bridge.child.pid);
    const slow = await dial(context, bridge.port);
    slow.pause();
    slow.write('flood');
    for (let round = 0; round < 50; round += 1) {
      const quick = await dial(context, bridge.port);
      quick.end('quick');
      assert.equal((await readAll(quick)).toString(), 'quick');
    }
    assert.ok(residentBytes(bridge.child.pid) - before < 2 * MIB, `grew by ${residentBytes(bridge.child.pid) - before}`);
    const late = readAll(slow);
    slow.resume();
    assert.equal((await late).length, flood.length);
    assert.equal(bridge.said(), '');
  });

  test(`${build}: an answer that comes before the body was read arrives whole`, async (context) => {
    const path = join(directoryOf(context), 's');
    const answer = `HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\n${'x'.repeat(100_000)}`;
    await serveUnix(context, path, (socket) => socket.once('data', () => socket.end(answer, () => socket.destroy())));
    const bridge = await startBridge(context, programs[build], path);
    const client = await dial(context, bridge.port);
    client.write(Buffer.alloc(8 * MIB));
    assert.equal((await readAll(client)).toString(), answer);
    assert.equal(bridge.said(), '');
  });

  test(`${build}: a client that resets its connection ends it at the proxy too`, async (context) => {
    const path = join(directoryOf(context), 's');
    let closed = Promise.resolve();
    const arrived = new Promise<void>((resolve) => {
      void serveUnix(context, path, (socket) => {
        closed = new Promise((done) => socket.once('close', () => done()));
        socket.on('end', () => socket.end());
        socket.once('data', () => resolve());
        socket.resume();
      });
    });
    const bridge = await startBridge(context, programs[build], path);
    const client = await dial(context, bridge.port);
    client.write('hello');
    await arrived;
    client.resetAndDestroy();
    await closed;
    assert.equal(bridge.said(), '');
  });

  test(`${build}: a client that comes while the proxy is away waits until it is back`, async (context) => {
    const path = join(directoryOf(context), 's');
    const first = await serveUnix(context, path, (socket) => socket.end('first'));
    const bridge = await startBridge(context, programs[build], path);
    first.close();
    await once(first, 'close');
    const client = await dial(context, bridge.port);
    client.end('question');
    await serveUnix(context, path, (socket) => socket.end('second'));
    assert.equal((await readAll(client)).toString(), 'second');
    assert.equal(bridge.said(), '');
  });

  test(`${build}: sleeps between events while one side has ended and the other has not`, async (context) => {
    const path = join(directoryOf(context), 's');
    const halves: Socket[] = [];
    await serveUnix(context, path, (socket) => {
      // The first is the bridge's own look at whether anybody is there.
      if (halves.push(socket) === 2) socket.end('bye');
      else socket.pipe(socket);
    });
    const bridge = await startBridge(context, programs[build], path);
    const half = await dial(context, bridge.port);
    assert.equal((await readAll(half)).toString(), 'bye');
    const talker = await dial(context, bridge.port);
    for (let round = 0; round < 100; round += 1) {
      talker.write('x');
      await once(talker, 'data');
      await asleep(bridge.child.pid);
    }
    assert.equal(bridge.said(), '');
  });
}
