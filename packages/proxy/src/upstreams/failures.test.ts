// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { KEY, configureApi, headersOf, proxyFor } from '../testing/services.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';

test('an upstream that does not answer in time, in HTTP, or at all: one problem each, with its reason, and no second try', async () => {
  const cases: [string, (socket: import('node:net').Socket) => void, number, string][] = [
    ['silence', () => undefined, 504, 'upstream_timeout'],
    ['no HTTP', (socket) => socket.write('SSH-2.0-x\r\n\r\n'), 502, 'upstream_malformed'],
    [
      'two lengths',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'),
      502,
      'upstream_malformed',
    ],
    [
      'length and chunks',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'),
      502,
      'upstream_malformed',
    ],
    ['folded', (socket) => socket.write('HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'), 502, 'upstream_malformed'],
    ['bare feeds', (socket) => socket.write('HTTP/1.1 200 OK\na: b\n\n'), 504, 'upstream_timeout'],
    ['a change of protocol', (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'), 502, 'upstream_malformed'],
    ['interim answers for ever', (socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(50)), 502, 'upstream_malformed'],
    ['headers for ever', (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}`), 502, 'upstream_answer_too_large'],
    ['reset', (socket) => socket.resetAndDestroy(), 502, 'upstream_reset'],
    ['close', (socket) => socket.end(), 502, 'upstream_reset'],
  ];
  await using upstream = await UpstreamStandIn.start();
  // Only who is to be late has so little time: a busy machine may be late, too.
  await using quick = await proxyFor(upstream.url, { timeouts: { headers: 300 } });
  await using patient = await proxyFor(upstream.url);
  for (const [name, act, status, code] of cases) {
    const fixture = status === 504 ? quick : patient;
    upstream.answer = ({ socket }) => act(socket);
    const before = upstream.seen.length;
    const answer = await fixture.request('POST', '/v1/http/api/x', { body: 'x' });
    assert.deepEqual([answer.status, answer.json['code']], [status, code], `${name}: ${answer.text}`);
    assert.equal(upstream.seen.length, before + 1, `${name}: asked once`);
    assert.ok(!answer.text.includes(KEY) && !fixture.log().includes(KEY));
  }
});

test('a body that ends too early, breaks its chunks or is reset cuts the connection of the agent: half is never taken for whole', async () => {
  const heads = [
    'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n',
  ];
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  for (const head of heads) {
    for (const end of ['end', 'resetAndDestroy', 'destroy'] as const) {
      upstream.answer = ({ socket }) => socket.write(head, () => setImmediate(() => socket[end]()));
      const text = await fixture.raw('GET /v1/http/api/x HTTP/1.1\r\nHost: b\r\n\r\n');
      assert.match(text, /^HTTP\/1\.1 200 /);
      assert.ok(!text.endsWith('0\r\n\r\n'), 'not closed in order');
    }
  }
  const codes = fixture.accessLines().map((line) => line['code']);
  assert.equal(codes.filter((code) => code === 'upstream_truncated' || code === 'upstream_reset').length, 6, JSON.stringify(codes));
});

test('an answer that breaks in the bytes that came with its head is a problem, not half an answer', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  for (const chunks of ['4\r\nhalf\r\nzz\r\n', '4\r\nhalfxy', '4;a\x01\r\nhalf\r\n', '4 x\r\nhalf\r\n', `4;${'e'.repeat(300)}`]) {
    upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks}`);
    const answer = await fixture.request('GET', '/v1/http/api/x');
    assert.deepEqual([answer.status, answer.json['code']], [502, 'upstream_malformed'], chunks);
  }
});

test('more than its length is nobody’s answer, and its connection serves no other', async () => {
  await using upstream = await UpstreamStandIn.start();
  upstream.answer = ({ socket }) =>
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen');
  await using fixture = await proxyFor(upstream.url);
  for (let round = 0; round < 3; round += 1) assert.equal((await fixture.request('GET', '/v1/http/api/x')).text, 'ok');
  assert.equal(upstream.connections, 3);
});

test('a kept connection that was closed meanwhile: a GET is sent once more, a POST never', async () => {
  await using upstream = await UpstreamStandIn.start();
  const fine = upstream.answer;
  await using fixture = await proxyFor(upstream.url);
  for (const [method, status, asked] of [
    ['GET', 200, 2],
    ['POST', 502, 1],
  ] as const) {
    upstream.answer = fine;
    await fixture.request('GET', '/v1/http/api/warm');
    const before = upstream.seen.length;
    const used = upstream.connections;
    // Closes on the next request before a byte of an answer, as a server does whose patience just ended.
    upstream.answer = (request) => {
      upstream.answer = fine;
      request.socket.destroy();
    };
    const answer = await fixture.request(method, '/v1/http/api/x');
    assert.deepEqual([answer.status, upstream.seen.length - before], [status, asked], method);
    assert.ok(upstream.connections >= used);
  }
});

test('nobody listens: 502 with the reason; an agent that goes away ends the call upstream', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor('http://127.0.0.1:1');
  const refused = await fixture.request('GET', '/v1/http/api/x');
  assert.deepEqual([refused.status, refused.json['code'], refused.json['reason']], [502, 'upstream_unreachable', 'ECONNREFUSED']);
  await configureApi(fixture, upstream.url);
  const arrived = new Promise<import('node:net').Socket>((resolve) => (upstream.answer = ({ socket }) => resolve(socket)));
  const gone = new AbortController();
  const asking = fixture.request('GET', '/v1/http/api/x', { signal: gone.signal });
  const socket = await arrived;
  gone.abort();
  await assert.rejects(asking);
  await once(socket, 'close');
});

test('a call that waits for a connection while the keys change goes out with the new ones; the one that runs ends with its own', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url, {}, { limits: { serviceConnections: 1 } });
  const arrived = new Promise<import('node:net').Socket>((resolve) => (upstream.answer = ({ socket }) => resolve(socket)));
  const running = fixture.request('GET', '/v1/http/api/running');
  const socket = await arrived;
  upstream.answer = (request) => request.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew');
  const waiting = fixture.request('GET', '/v1/http/api/waiting');
  // A request of its own connection that is answered at once: the one before it waits in the pool by now.
  await fixture.request('GET', '/v1/http/api/../x');
  await configureApi(fixture, upstream.url, {}, { API_KEY: 'new-key-111' });
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold');
  assert.equal((await running).text, 'old');
  assert.equal((await waiting).text, 'new');
  const keys = upstream.seen.map((seen) => headersOf(seen).find(([name]) => name === 'x-api-key')?.[1]);
  assert.deepEqual(keys, [KEY, 'new-key-111']);
});

test('rotation under load: after the acknowledgement no request goes out with the old key, and none that runs is lost', async () => {
  await using upstream = await UpstreamStandIn.start();
  let rotated = false;
  const late: string[] = [];
  let answers = 0;
  upstream.answer = ({ head, socket }) => {
    if (rotated && head.includes('old-key-000')) late.push(head);
    setImmediate(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
  };
  await using fixture = await proxyFor(
    upstream.url,
    {},
    { limits: { serviceConnections: 4, requestsPerSecond: 100_000, requestsBurst: 100_000 } },
  );
  for (let round = 0; round < 2; round += 1) {
    await configureApi(fixture, upstream.url, {}, { API_KEY: 'old-key-000' });
    rotated = false;
    let going = true;
    const callers = Array.from({ length: 16 }, async () => {
      while (going) {
        assert.equal((await fixture.request('GET', '/v1/http/api/x')).status, 200);
        answers += 1;
      }
    });
    while (answers < (round + 1) * 100) await fixture.request('GET', '/v1/http/api/pace');
    // Requests that were written before the acknowledgement may arrive after it: what counts is what is written after.
    await configureApi(fixture, upstream.url, {}, { API_KEY: 'new-key-111' });
    const seen = upstream.seen.length;
    for (let index = 0; index < 20; index += 1) await fixture.request('GET', '/v1/http/api/after');
    rotated = true;
    while (upstream.seen.length < seen + 100) await fixture.request('GET', '/v1/http/api/after');
    going = false;
    await Promise.all(callers);
  }
  assert.deepEqual(late, []);
  assert.ok(upstream.seen.some((seen) => headersOf(seen).some(([, value]) => value === 'old-key-000')));
});
