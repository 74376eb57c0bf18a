// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { LocalServer, localRule } from './testing/forward-stand.ts';

const MAIN = join(import.meta.dirname, 'testing/proxy.main.ts');
/** Most that a proxy grows by, whatever its agent sends or does not read. */
const GROWTH_MOST = 80 * 1024 * 1024;
/** For 10,000 idle connections: 11 kB each, nearly all of it Node's own socket and parser. */
const IDLE_GROWTH_MOST = 130 * 1024 * 1024;

/** A proxy in a process of its own, with the flags of production. */
class MeasuredProxy implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #sockets: Socket[] = [];
  /** Resident bytes at rest. */
  #rest = 0;

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
  }

  static async start(egress: readonly unknown[] = []): Promise<MeasuredProxy> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-memory-'));
    // Of packages/supervise/src/service-table.ts.
    const args = [
      '--max-semi-space-size=4',
      '--no-parallel-scavenge',
      '--v8-pool-size=1',
      MAIN,
      directory,
      'http://127.0.0.1:9',
      JSON.stringify(egress),
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => assert.fail('the proxy did not start'))]);
    const proxy = new MeasuredProxy(child, directory);
    await proxy.get();
    proxy.#rest = proxy.memory;
    return proxy;
  }

  /** Resident bytes, now. */
  get memory(): number {
    const kilobytes = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) * 1_024;
  }

  get growth(): number {
    return this.memory - this.#rest;
  }

  /** Opens `count` connections and writes `bytes` to each; nobody reads them. */
  async open(count: number, bytes: string | Uint8Array = ''): Promise<readonly Socket[]> {
    const opened: Socket[] = [];
    while (opened.length < count) {
      // A listener's queue is short: not all at once.
      const part = Array.from({ length: Math.min(16, count - opened.length) }, () => connect(join(this.#directory, 'proxy.sock')));
      for (const socket of part) socket.on('error', () => undefined).pause();
      this.#sockets.push(...part);
      await Promise.all(part.map((socket) => once(socket, 'connect')));
      for (const socket of part) socket.write(bytes);
      opened.push(...part);
      // Its turn comes after theirs: the listener's queue is empty then.
      if (opened.length % 160 === 0) await this.get();
    }
    return opened;
  }

  /** A small request on a connection of its own: that others are served meanwhile. Resolves with its milliseconds. */
  async get(agent?: Agent): Promise<number> {
    const started = process.hrtime.bigint();
    const answer = request({
      socketPath: join(this.#directory, 'proxy.sock'),
      path: '/v1/identity',
      headers: { host: 'a' },
      agent: agent ?? false,
    }).end();
    const [response] = (await once(answer, 'response')) as [{ statusCode: number; resume(): void }];
    response.resume();
    await once(response as never, 'end');
    assert.equal(response.statusCode, 200);
    return Number(process.hrtime.bigint() - started) / 1e6;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
    rmSync(this.#directory, { recursive: true });
  }
}

function assertBounded(proxy: MeasuredProxy, context: TestContext, most = GROWTH_MOST): void {
  const { growth, memory } = proxy;
  const grown = `grown by ${Math.round(growth / 1e6)} MB to ${Math.round(memory / 1e6)} MB`;
  context.diagnostic(grown);
  assert.ok(growth < most, `${grown}, expected less than ${Math.round(most / 1e6)} MB`);
}

/** Runs until what the other process holds stays the same. */
async function settled(read: () => number): Promise<void> {
  for (let before = -1; before !== read();) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test('memory: 10,000 idle connections', { timeout: 120_000 }, async (context) => {
  await using proxy = await MeasuredProxy.start();
  await proxy.open(10_000);
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  for (let index = 0; index < 500; index += 1) times.push(await proxy.get(agent));
  agent.destroy();
  times.sort((one, other) => one - other);
  context.diagnostic(`small GET beside them: p50 ${times[250]?.toFixed(2)} ms, p99 ${times[495]?.toFixed(2)} ms`);
  assertBounded(proxy, context, IDLE_GROWTH_MOST);
});

test('memory: 2,000 heads that never end, each up to its bound', { timeout: 60_000 }, async (context) => {
  await using proxy = await MeasuredProxy.start();
  await proxy.open(2_000, `GET /v1/identity HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(15_000)}`);
  await proxy.get();
  assertBounded(proxy, context);
});

test('memory: heads far above their bound, and endless bodies', { timeout: 60_000 }, async (context) => {
  await using proxy = await MeasuredProxy.start();
  await proxy.open(20, `GET /v1/identity HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(4 * 1024 * 1024)}`);
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const head =
    'POST /v1/matrix/rooms/a/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
  await proxy.open(100, head + chunk.repeat(64));
  await proxy.get();
  assertBounded(proxy, context);
});

test('memory: clients that ask once too often at once are cut, and those after them are served', { timeout: 60_000 }, async (context) => {
  await using proxy = await MeasuredProxy.start();
  for (let round = 0; round < 5; round += 1) {
    await proxy.open(50, 'GET /v1/identity HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(9 + round));
    for (let index = 0; index < 50; index += 1) await proxy.get();
  }
  assertBounded(proxy, context);
});

test('memory: clients that ask without end and never read', { timeout: 60_000 }, async (context) => {
  await using proxy = await MeasuredProxy.start();
  await proxy.open(50, 'GET /v1/identity HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(5_000));
  // To the nearest 8 MB: collections go on.
  await settled(() => Math.round(proxy.memory / 2 ** 23));
  await proxy.get();
  assertBounded(proxy, context);
});

test('memory: endless answers and tunnels that nobody reads', { timeout: 60_000 }, async (context) => {
  let sent = 0;
  await using flood = await LocalServer.tcp((socket) => {
    const piece = Buffer.from(`1000\r\n${'x'.repeat(4_096)}\r\n`.repeat(16));
    const pour = (): void => {
      do sent += piece.length;
      while (socket.write(piece));
    };
    socket.on('drain', pour).once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      pour();
    });
  });
  await using proxy = await MeasuredProxy.start([localRule('127.0.0.1', flood.port, { plaintext: true })]);
  const where = `127.0.0.1:${flood.port}`;
  await proxy.open(24, `GET http://${where}/ HTTP/1.1\r\nHost: ${where}\r\n\r\n`);
  await proxy.open(24, `CONNECT ${where} HTTP/1.1\r\nHost: ${where}\r\n\r\nanything`);
  await settled(() => sent);
  await proxy.get();
  context.diagnostic(`the upstream could send ${Math.round(sent / 1e6)} MB in 48 answers`);
  assertBounded(proxy, context);
});
