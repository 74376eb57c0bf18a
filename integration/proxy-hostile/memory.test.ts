// SPDX-License-Identifier: Apache-2.0
// Test 33: no client and no upstream makes the proxy grow beyond a stated bound, and others are served meanwhile. The proxy is a process of
// its own; its memory is what the kernel counts (PSS). The figures of a run are printed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { RealProxy } from '@bureau/testkit/proxy';
import { until } from '@bureau/testkit';
import { assertGrowth } from './growth.testing.ts';
import { exchange, oneRequest, statuses } from './raw-client.testing.ts';
import { Recorder } from './recorder.testing.ts';
import { Sink } from './sink.testing.ts';

/** The issue's own figure: the whole process with as many connections. */
const IDLE_CONNECTIONS = 10_000;
const IDLE_MIB = 150;
/** What any one attack may add to a proxy that has served before: heads and bodies are bounded one by one, socket buffers by the kernel. */
const GROWTH_MIB = 80;
const SLOW_CONNECTIONS = 2_000;
const FLOOD_BYTES = 128 * 1_024 * 1_024;
/** A socket that takes nothing for so long is not read. */
const HELD_MILLISECONDS = 1_500;
/** The listener's queue holds so many that are not accepted yet. */
const AT_ONCE = 100;
const PIECE = Buffer.alloc(64 * 1_024, 'x');
/** Liveness only. */
const WAIT_MILLISECONDS = 120_000;

let proxy: RealProxy;
let upstream: Recorder;
let sockets: Socket[] = [];
before(async () => {
  upstream = await Recorder.start();
  await start();
});
beforeEach(() => upstream.reset());
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

async function start(): Promise<void> {
  proxy = await RealProxy.start();
  await proxy.configure({ upstreams: { api: api(upstream.port) }, header: { limits: { requests_burst: 100_000, connections: 12_000 } } });
  for (let times = 0; times < 50; times += 1) await isServed();
}

async function isServed(): Promise<void> {
  assert.deepEqual(statuses(await exchange(proxy.agentPath, oneRequest('GET', '/healthz'))), [200]);
}

/** So many connections, not faster than they are accepted. */
async function openMany(count: number): Promise<Socket[]> {
  const made: Socket[] = [];
  while (made.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - made.length) }, () => open());
    await Promise.all(some.map((socket) => once(socket, 'connect')));
    await isServed();
    made.push(...some);
  }
  return made;
}

function open(): Socket {
  const socket = connect(proxy.agentPath).on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

/** Runs an attack; then others are served still, and the proxy has not grown by more than `most`. */
async function bounded(name: string, attack: () => Promise<void>, most = GROWTH_MIB): Promise<void> {
  try {
    await assertGrowth(proxy, name, most, async () => {
      await attack();
      await isServed();
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  }
}

/** Writes pieces until so many bytes are out, or the other side has closed or reads no more: has taken nothing for `held` milliseconds. */
async function pour(socket: Socket, piece: Buffer, bytes: number, held = HELD_MILLISECONDS): Promise<void> {
  for (let written = 0; written < bytes && !socket.destroyed; written += piece.length) {
    if (socket.write(piece)) continue;
    const outcome = await new Promise<'held' | 'goes on'>((resolve) => {
      const end = (found: 'held' | 'goes on'): void => {
        clearTimeout(timer);
        socket.off('drain', go).off('close', go);
        resolve(found);
      };
      const go = (): void => end('goes on');
      const timer = setTimeout(() => end('held'), held);
      socket.on('drain', go).on('close', go);
    });
    if (outcome === 'held') return;
  }
}

test('attack: slow heads, a byte at a time (test 33)', async () => {
  await bounded('slowloris', async () => {
    const slow = await openMany(SLOW_CONNECTIONS);
    const head = 'GET /v1/identity HTTP/1.1\r\nX-Slow: ';
    for (const byte of head) {
      for (const socket of slow) if (!socket.destroyed) socket.write(byte);
      await isServed();
    }
  });
});

test('attack: bodies of one byte at a time (test 33)', async () => {
  await bounded('slow bodies', async () => {
    const slow = await openMany(100);
    for (const socket of slow) socket.write('POST /v1/http/api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let times = 0; times < 200; times += 1) for (const socket of slow) if (!socket.destroyed) socket.write('1\r\nx\r\n');
  });
});

test('attack: a header line of a gigabyte, and heads that are never whole (test 33)', async () => {
  await bounded('header flood', async () => {
    const line = open().resume();
    line.write('GET /v1/identity HTTP/1.1\r\nX-Long: ');
    await pour(line, PIECE, 1_024 * 1_024 * 1_024);
    assert.ok(line.destroyed || line.readableEnded || line.bytesWritten < FLOOD_BYTES, 'it was not read to its end');
    const heads = await openMany(500);
    const almost = Buffer.from(`GET /v1/identity HTTP/1.1\r\n${'X-A: bbbbbbbbbbbbbbbbbbbbbbbb\r\n'.repeat(500)}`);
    await Promise.all(heads.map((socket) => pour(socket, almost, almost.length)));
  });
});

test('attack: a body without an end, to an upstream that takes it and to one that does not (test 33)', async () => {
  await bounded('endless body', async () => {
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), PIECE, Buffer.from('\r\n')]);
    const stuck = await Sink.start(false);
    const taking = await Sink.start(true);
    await proxy.configure({ upstreams: { api: api(upstream.port), stuck: api(stuck.port), taking: api(taking.port) } });
    for (const name of ['stuck', 'taking', 'matrix']) {
      const socket = open().resume();
      socket.write(`POST /v1/http/${name}/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
      await pour(socket, chunk, FLOOD_BYTES);
    }
    await stuck.end();
    await taking.end();
  });
});

test('attack: clients that never read what an endless upstream sends; endless events that are read (test 33)', async () => {
  await bounded('never-reading clients', async () => {
    upstream.answer = ({ head, socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n');
      const held = head.startsWith('GET /read ') ? WAIT_MILLISECONDS : HELD_MILLISECONDS;
      void pour(socket, Buffer.from(`data: ${'x'.repeat(16_000)}\n\n`), FLOOD_BYTES, held);
    };
    for (let made = 0; made < 60; made += 1) {
      open().pause();
      sockets.at(-1)?.write('GET /v1/http/api/x HTTP/1.1\r\nHost: a\r\n\r\n');
    }
    const reader = open();
    let read = 0;
    reader.on('data', (bytes: Buffer) => (read += bytes.length));
    reader.write('GET /v1/http/api/read HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the one that reads to have it all', WAIT_MILLISECONDS, () => read >= FLOOD_BYTES / 2);
  });
});

test('attack: requests without an end on one connection whose answers are never read (test 33)', async () => {
  await bounded('pipeline', async () => {
    const socket = open().pause();
    await pour(socket, Buffer.from('GET /v1/identity HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000)), 32 * 1_024 * 1_024);
  });
});

test('attack: an upstream with a head of 100 MB, with 100,000 headers, with endless interim answers (test 34)', async () => {
  await bounded('hostile heads of an upstream', async () => {
    const heads = ['X-Long: ', 'X-A: b\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'];
    for (const [index, repeated] of heads.entries()) {
      upstream.answer = ({ socket }) => {
        if (index < 2) socket.write('HTTP/1.1 200 OK\r\n');
        if (index === 0) socket.write(repeated);
        void pour(socket, index === 0 ? PIECE : Buffer.from(repeated.repeat(1_000)), 100_000_000);
      };
      const read = await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/api/x'));
      assert.deepEqual(statuses(read), [502], read.slice(0, 300));
    }
  });
});

test('attack: 10,000 idle connections (test 33)', async () => {
  // A fresh one: what the attacks before made of its heap is theirs.
  await proxy[Symbol.asyncDispose]();
  await start();
  await bounded(
    'idle connections',
    async () => {
      await openMany(IDLE_CONNECTIONS);
      const admin = await proxy.admin();
      await until(
        'all of them to be counted',
        WAIT_MILLISECONDS,
        async () => (await admin.call('stats', {})).connections >= IDLE_CONNECTIONS,
      );
      assert.ok(proxy.memoryMiB <= IDLE_MIB, `${proxy.memoryMiB} MiB`);
    },
    IDLE_MIB,
  );
});

test('control: a process that keeps what it is sent is seen to grow', async () => {
  const before = process.memoryUsage.rss();
  const kept = Array.from({ length: 100 }, () => Buffer.alloc(1_024 * 1_024, 'x'));
  assert.ok(process.memoryUsage.rss() - before > (GROWTH_MIB * 1_024 * 1_024) / 2);
  assert.equal(kept.length, 100);
});

function api(port: number): object {
  return { url: `http://127.0.0.1:${port}`, inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }] };
}
