// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { ProxyFixture, TOKEN } from './testing/proxy-fixture.ts';

const ROOM = '!room:test.local';

/** An upstream that answers each request with these bytes, whatever they are; counts connections and requests. */
async function rawUpstream(answer: (socket: Socket) => void): Promise<AsyncDisposable & { readonly url: string; requests: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
    socket.on('data', () => {
      upstream.requests += 1;
      answer(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: 0,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return upstream;
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
const EVENT = '{"event_id":"$e"}';
const LIMITS = { upstreamBodyBytes: 10_000, upstreamHeadBytes: 8_192 };
/** For those alone that are to be late: a busy machine may be, too. */
const SOON = { ...LIMITS, upstreamAnswerMilliseconds: 300 };

const HOSTILE: readonly [string, (socket: Socket) => void, number, string][] = [
  ['huge headers', (socket) => socket.write(`${HEAD}x: ${'a'.repeat(1_000_000)}\r\n\r\n`), 502, 'upstream_answer_too_large'],
  ['headers without end', (socket) => socket.write(HEAD + 'x: y\r\n'.repeat(5_000)), 502, 'upstream_answer_too_large'],
  [
    'a large body',
    (socket) => socket.write(`${HEAD}content-length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`),
    502,
    'upstream_answer_too_large',
  ],
  [
    'an endless chunked body',
    (socket) => socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n${`3e8\r\n${'x'.repeat(1_000)}\r\n`.repeat(100)}`),
    502,
    'upstream_answer_too_large',
  ],
  [
    'a length that is too long, then the end',
    (socket) => socket.end(`${HEAD}content-length: 500\r\n\r\n${EVENT}`),
    502,
    'upstream_unreachable',
  ],
  [
    'a length that is too long, then silence',
    (socket) => socket.write(`${HEAD}content-length: 500\r\n\r\n${EVENT}`),
    504,
    'upstream_timeout',
  ],
  ['a length that is too short', (socket) => socket.write(`${HEAD}content-length: 5\r\n\r\n${EVENT}`), 502, 'upstream_malformed'],
  ['two lengths', (socket) => socket.write(`${HEAD}content-length: 17\r\ncontent-length: 5\r\n\r\n${EVENT}`), 502, 'upstream_malformed'],
  [
    'length and chunks',
    (socket) => socket.write(`${HEAD}content-length: 17\r\ntransfer-encoding: chunked\r\n\r\n11\r\n${EVENT}\r\n0\r\n\r\n`),
    502,
    'upstream_malformed',
  ],
  ['invalid chunks', (socket) => socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n`), 502, 'upstream_malformed'],
  ['no HTTP', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n'), 502, 'upstream_malformed'],
  ['a reset', (socket) => socket.resetAndDestroy(), 502, 'upstream_unreachable'],
  [
    'a reset in the body',
    (socket) => socket.write(`${HEAD}content-length: 500\r\n\r\n{"eve`, () => socket.resetAndDestroy()),
    502,
    'upstream_unreachable',
  ],
  ['no answer', () => undefined, 504, 'upstream_timeout'],
  [
    'a switch of protocols',
    (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
    502,
    'upstream_unreachable',
  ],
  [
    'compressed bytes nobody asked for',
    (socket) => socket.write(`${HEAD}content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00`),
    502,
    'upstream_malformed',
  ],
];

for (const [name, answer, status, code] of HOSTILE) {
  test(`hostile upstream: ${name} is ${status} ${code}, and the client's connection lives on`, async () => {
    await using upstream = await rawUpstream(answer);
    await using fixture = await ProxyFixture.start({ limits: status === 504 ? SOON : LIMITS, bundle: { url: upstream.url } });
    const given = await fixture.send(ROOM, { body: 'x', transaction_id: 'again' });
    assert.deepEqual([given.status, given.json['code'], given.json['transaction_id']], [status, code, 'again'], given.text);
    assert.equal((await fixture.request('GET', '/v1/identity')).status, 200);
    assert.ok(!(given.text + fixture.log()).includes(TOKEN));
    assert.ok(upstream.requests <= 2, 'at most one more try');
  });
}

test('an upstream that nobody serves is 502 at once, and served again as soon as it is back', async () => {
  await using fixture = await ProxyFixture.start();
  await fixture.configure({ url: 'http://127.0.0.1:1' });
  const answer = await fixture.send(ROOM, { body: 'x' });
  assert.deepEqual([answer.status, answer.json['code']], [502, 'upstream_unreachable']);
  assert.match(String(answer.json['detail']), /ECONNREFUSED/);
  await fixture.configure();
  assert.equal((await fixture.send(ROOM, { body: 'x' })).status, 200);
});

test('a timeout names its limit', async () => {
  await using upstream = await rawUpstream(() => undefined);
  await using fixture = await ProxyFixture.start({ limits: SOON, bundle: { url: upstream.url } });
  assert.match(String((await fixture.send(ROOM, { body: 'x' })).json['detail']), /300 ms \(limit upstreamAnswerMilliseconds\)/);
});

test('a kept connection that breaks under a message is made good once, with the same transaction', async () => {
  await using fixture = await ProxyFixture.start();
  const { homeserver } = fixture;
  let broken = 0;
  homeserver.script = (_seen, response) => {
    broken += 1;
    if (broken === 1) response.destroy();
    return broken === 1;
  };
  assert.equal((await fixture.send(ROOM, { body: 'x' })).status, 200);
  assert.equal(homeserver.seen.length, 2);
  assert.equal(homeserver.seen[0]?.url, homeserver.seen[1]?.url);
});

test("the bundle's own rules hold for the Matrix API too", async () => {
  await using fixture = await ProxyFixture.start();
  const inject = [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }];
  await fixture.configure({ header: { upstreams: { matrix: { url: fixture.homeserver.url, inject, methods: ['GET'] } } } });
  const refused = await fixture.send(ROOM, { body: 'x' });
  assert.deepEqual(
    [refused.status, refused.json['code'], refused.json['rule']],
    [403, 'upstream_rule_refused', 'upstreams.matrix.methods'],
  );
  await fixture.configure({ header: { upstreams: {} } });
  assert.equal((await fixture.send(ROOM, { body: 'x' })).json['code'], 'upstream_not_granted');
  assert.equal(fixture.homeserver.seen.length, 0);
});

test('a key that an upstream reflects is withheld from the agent', async () => {
  const reflected = JSON.stringify({ errcode: 'M_FORBIDDEN', error: `you sent ${TOKEN}` });
  const inEvent = JSON.stringify({ event_id: `$${TOKEN}` }).replace('syt', '\\u0073yt');
  for (const [status, body] of [
    ['403 Forbidden', reflected],
    ['200 OK', inEvent],
  ]) {
    await using upstream = await rawUpstream((socket) =>
      socket.write(`HTTP/1.1 ${status}\r\ncontent-length: ${body?.length}\r\n\r\n${body}`),
    );
    await using fixture = await ProxyFixture.start({ bundle: { url: upstream.url } });
    const answer = await fixture.send(ROOM, { body: 'x' });
    assert.deepEqual([answer.status, answer.json['code']], [502, 'upstream_reflected_secret']);
    assert.ok(!answer.text.includes(TOKEN));
  }
});
