// SPDX-License-Identifier: Apache-2.0
// Tests 32 and 34 over HTTP/2: an upstream that floods, resets and lies in frames made by hand. Each call ends with a reason, memory stays bounded, and
// a server that behaves is called by the next one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { KEY, RealProxy } from '@bureau/testkit/proxy';
import { certificate } from './certificates.testing.ts';
import { exchange, oneRequest, statuses } from './raw-client.testing.ts';

/** RFC 9113, section 6. */
const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, push: 5, ping: 6, goaway: 7, continuation: 9 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACKNOWLEDGED = 1;
/** `:status: 200` of the static table (RFC 7541, appendix A). */
const OK = Buffer.from([0x88]);
const FLOOD_BYTES = 64 * 1_024 * 1_024;
const GROWTH_MIB = 80;

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header that is not in a table: `0` for a literal without indexing, then name and value with their lengths. */
function literal(name: string, value: string, first = 0): Buffer {
  return Buffer.concat([Buffer.from([first, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}

/** What the server does once a request's stream is there. */
type Act = (socket: TLSSocket, stream: number) => void;

const authority = certificate('authority.test');
const identity = certificate('localhost', { authority });
let act: Act;
let written = 0;
let server: Server;
let proxy: RealProxy;

before(async () => {
  server = createServer({ key: identity.key, cert: identity.cert, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(frame(TYPE.settings, 0, 0));
    const seen = new Set<number>();
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.subarray(0, 3).toString() === 'PRI') {
        if (bytes.length < 24) return;
        bytes = bytes.subarray(24);
      }
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const [type, stream, length] = [bytes[3], bytes.readUInt32BE(5), bytes.readUIntBE(0, 3)];
        bytes = bytes.subarray(9 + length);
        if (type === TYPE.settings && length > 0) socket.write(frame(TYPE.settings, ACKNOWLEDGED, 0));
        if (type !== TYPE.headers || seen.has(stream)) continue;
        seen.add(stream);
        act(socket, stream);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await RealProxy.start();
  const api = {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }],
    http2: true,
    ca: authority.cert.toString('utf8'),
    timeouts: { headers: 20_000 },
  };
  await proxy.configure({ upstreams: { api } });
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  server.close();
});
beforeEach(() => {
  written = 0;
  act = fine;
});

const fine: Act = (socket, stream) => {
  socket.write(
    Buffer.concat([frame(TYPE.headers, END_HEADERS, stream, OK), frame(TYPE.data, END_STREAM, stream, Buffer.from(`fine ${KEY}`))]),
  );
};

function get(): Promise<string> {
  return exchange(proxy.agentPath, oneRequest('GET', '/v1/http/api/x'));
}

/** Writes the same frames until so much is out or the other side has had enough. */
async function flood(socket: TLSSocket, frames: Buffer): Promise<void> {
  const many = Buffer.concat(Array.from({ length: Math.max(1, Math.floor(65_536 / frames.length)) }, () => frames));
  while (!socket.destroyed && written < FLOOD_BYTES) {
    written += many.length;
    if (socket.write(many)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off('drain', go).off('close', go);
        resolve();
      };
      socket.on('drain', go).on('close', go);
    });
  }
  socket.destroy();
}

const continuation = (stream: number): Buffer => frame(TYPE.continuation, 0, stream, literal('x-more', 'y'.repeat(100)));
/** Puts a header of 4,000 bytes into the table once, and names it a thousand times with one byte each. */
const BOMB = Buffer.concat([
  OK,
  Buffer.from([0x40, 1]),
  Buffer.from('x'),
  Buffer.from([0x7f, 0xa1, 0x1e]),
  Buffer.alloc(4_000, 'z'),
  Buffer.alloc(10_000, 0xbe),
]);

/** Each ends with one problem for the agent: not half an answer, not silence. */
const ATTACKS: Readonly<Record<string, Act>> = {
  'a head that goes on for ever (CONTINUATION flood)': (socket, stream) => {
    socket.write(frame(TYPE.headers, 0, stream, OK));
    void flood(socket, continuation(stream));
  },
  'CONTINUATION without anything in it': (socket, stream) => {
    socket.write(frame(TYPE.headers, 0, stream, OK));
    void flood(socket, frame(TYPE.continuation, 0, stream));
  },
  'a head that is small on the wire and large in memory (HPACK bomb)': (socket, stream) =>
    void socket.write(frame(TYPE.headers, END_HEADERS, stream, BOMB)),
  'a stream that is reset as soon as it is there': (socket, stream) =>
    void socket.write(frame(TYPE.reset, 0, stream, Buffer.from([0, 0, 0, 8]))),
  'pings and settings without an end': (socket) => {
    void flood(socket, Buffer.concat([frame(TYPE.ping, 0, 0, Buffer.alloc(8)), frame(TYPE.settings, 0, 0)]));
  },
  'interim answers without an end': (socket, stream) => {
    const interim = Buffer.concat([Buffer.from([0x08, 3]), Buffer.from('103')]);
    void flood(socket, frame(TYPE.headers, END_HEADERS, stream, interim));
  },
  'a push that nobody allowed': (socket, stream) =>
    void socket.write(frame(TYPE.push, END_HEADERS, stream, Buffer.concat([Buffer.from([0, 0, 0, 2]), OK]))),
  'an answer to a stream that is not there': (socket) => void socket.write(frame(TYPE.headers, END_HEADERS, 99, OK)),
  'a header of the hop between us (Transfer-Encoding)': (socket, stream) =>
    void socket.write(frame(TYPE.headers, END_HEADERS | END_STREAM, stream, Buffer.concat([OK, literal('transfer-encoding', 'chunked')]))),
  'no status': (socket, stream) => void socket.write(frame(TYPE.headers, END_HEADERS | END_STREAM, stream, literal('x-a', 'b'))),
  'bytes that are no frames': (socket) => void socket.write(Buffer.alloc(100, 0xff)),
  'the end of the connection': (socket) => void socket.destroy(),
};

for (const [name, attack] of Object.entries(ATTACKS)) {
  test(`attack: an upstream of HTTP/2 that sends ${name} (tests 32, 34)`, async () => {
    const rest = proxy.memoryMiB;
    let peak = rest;
    const look = setInterval(() => (peak = Math.max(peak, proxy.memoryMiB)), 50);
    try {
      act = attack;
      const read = await get();
      assert.ok([502, 504].includes(statuses(read)[0] ?? 0), read.slice(0, 400));
      assert.doesNotMatch(read, /evil|set-cookie/i);
      assert.match(read, /"code":"upstream_/);
    } finally {
      clearInterval(look);
    }
    assert.ok(peak - rest <= GROWTH_MIB, `${(peak - rest).toFixed(1)} MiB more`);
    assert.ok(written < FLOOD_BYTES, 'the flood was not read to its end');
    act = fine;
    const next = await get();
    assert.deepEqual(statuses(next), [200], next);
    // In one piece or in two: what may be a part of a key waits for what comes after it.
    assert.match(next, /fine (?:\r\n[0-9a-f]+\r\n)?\*{33}\r\n/);
  });
}

test('attack: a header with a line end in it does not become two (test 34)', async () => {
  act = (socket, stream) => {
    const head = Buffer.concat([OK, literal('x-a', 'b\r\nset-cookie: evil')]);
    socket.write(frame(TYPE.headers, END_HEADERS | END_STREAM, stream, head));
  };
  const read = await get();
  assert.ok([200, 502].includes(statuses(read)[0] ?? 0), read);
  assert.doesNotMatch(read, /evil|set-cookie/i);
});

test('attack: more than a stream’s length says is no answer (test 34)', async () => {
  act = (socket, stream) => {
    const head = Buffer.concat([OK, literal('content-length', '2')]);
    socket.write(
      Buffer.concat([frame(TYPE.headers, END_HEADERS, stream, head), frame(TYPE.data, END_STREAM, stream, Buffer.from('more than two'))]),
    );
  };
  const read = await get();
  assert.doesNotMatch(read, /more than two/);
});

test('control: the flood is one: who reads it all gets it all', async () => {
  act = (socket, stream) => void flood(socket, continuation(stream));
  const client = connect({ port: (server.address() as AddressInfo).port, host: 'localhost', ca: authority.cert, ALPNProtocols: ['h2'] });
  await once(client, 'secureConnect');
  client.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(TYPE.settings, 0, 0), frame(TYPE.headers, 5, 1, OK)]));
  let read = 0;
  client.on('data', (bytes: Buffer) => (read += bytes.length));
  await once(
    client.on('error', () => undefined),
    'close',
  );
  assert.ok(read > FLOOD_BYTES / 2, `${read} bytes`);
});
