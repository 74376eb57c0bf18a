// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { ProxyFixture } from './testing/proxy-fixture.ts';

const PATH = '/v1/matrix/rooms/!room%3Atest.local/messages';
const BODY = '{"body":"x"}';
const CRLF = '\r\n';
const head = (...lines: string[]): string =>
  [`POST ${PATH} HTTP/1.1`, 'Host: bureau', 'Content-Type: application/json', ...lines, '', ''].join(CRLF);
/** What an attacker hopes is taken for a second request. */
const SMUGGLED = `POST ${PATH} HTTP/1.1${CRLF}Host: bureau${CRLF}Content-Type: application/json${CRLF}Content-Length: 19${CRLF}${CRLF}{"body":"smuggled"}`;
const CHUNKED = `c${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}`;

/** Answers in what was read: their status codes. */
function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status));
}

const REFUSED: Readonly<Record<string, string>> = {
  'CL and TE': head('Content-Length: 12', 'Transfer-Encoding: chunked') + CHUNKED + SMUGGLED,
  'TE and CL': head('Transfer-Encoding: chunked', 'Content-Length: 4') + CHUNKED + SMUGGLED,
  'two CL that differ': head('Content-Length: 12', 'Content-Length: 0') + BODY + SMUGGLED,
  'two CL that agree': head('Content-Length: 12', 'Content-Length: 12') + BODY + SMUGGLED,
  'CL list': head('Content-Length: 12, 12') + BODY + SMUGGLED,
  'CL negative': head('Content-Length: -1') + BODY + SMUGGLED,
  'CL with plus': head('Content-Length: +12') + BODY + SMUGGLED,
  'CL hexadecimal': head('Content-Length: 0xc') + BODY + SMUGGLED,
  'CL of 2^64': head('Content-Length: 18446744073709551628') + BODY + SMUGGLED,
  'TE chunked, identity': head('Transfer-Encoding: chunked, identity') + CHUNKED + SMUGGLED,
  'TE identity': head('Transfer-Encoding: identity') + CHUNKED + SMUGGLED,
  'TE xchunked': head('Transfer-Encoding: xchunked') + CHUNKED + SMUGGLED,
  'TE twice': head('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + CHUNKED + SMUGGLED,
  'TE chunked twice': head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + CHUNKED + SMUGGLED,
  'TE with space before colon': head('Transfer-Encoding : chunked') + CHUNKED + SMUGGLED,
  'TE with vertical tab': head('Transfer-Encoding: \x0bchunked') + CHUNKED + SMUGGLED,
  'obs-fold': head('Transfer-Encoding:', ' chunked') + CHUNKED + SMUGGLED,
  'obs-fold of another header': head('X-A: 1', '\tContent-Length: 0', 'Content-Length: 12') + BODY + SMUGGLED,
  'bare LF': head('Content-Length: 12').replaceAll(CRLF, '\n') + BODY + SMUGGLED,
  'bare LF in one line': `POST ${PATH} HTTP/1.1${CRLF}Host: bureau\nContent-Length: 12${CRLF}${CRLF}${BODY}`,
  'bare CR in a value': head('X-A: a\rTransfer-Encoding: chunked', 'Content-Length: 12') + BODY + SMUGGLED,
  'NUL in a value': head('X-A: a\0b', 'Content-Length: 12') + BODY + SMUGGLED,
  'NUL in a name': head('X\0A: b', 'Content-Length: 12') + BODY + SMUGGLED,
  'NUL in the target': `POST ${PATH}\0 HTTP/1.1${CRLF}Host: bureau${CRLF}Content-Length: 0${CRLF}${CRLF}`,
  'non-ASCII target': `GET /v1/identity\xe9 HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}`,
  'space in the target': `GET /v1/identity x HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}`,
  'tab in the target': `GET /v1/identity\tx HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}`,
  'chunk size too large': `${head('Transfer-Encoding: chunked')}fffffffffffffffff${CRLF}${BODY}`,
  'chunk size not hexadecimal': `${head('Transfer-Encoding: chunked')}g${CRLF}${BODY}`,
  'chunk size negative': `${head('Transfer-Encoding: chunked')}-1${CRLF}${BODY}`,
  'chunk longer than said': `${head('Transfer-Encoding: chunked')}2${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}${SMUGGLED}`,
  'chunk with bare LF': `${head('Transfer-Encoding: chunked')}c\n${BODY}\n0\n\n${SMUGGLED}`,
  'no Host': `GET /v1/identity HTTP/1.1${CRLF}${CRLF}`,
  'two Hosts': `GET /v1/identity HTTP/1.1${CRLF}Host: a${CRLF}Host: b${CRLF}${CRLF}`,
  'two types': head('Content-Type: text/plain', 'Content-Length: 12') + BODY,
  'HTTP/2 preface': `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`,
  'HTTP/1.2': `GET /v1/identity HTTP/1.2${CRLF}Host: a${CRLF}${CRLF}`,
  'HTTP/0.9': `GET /v1/identity${CRLF}${CRLF}`,
  'unknown method': `TRACK /v1/identity HTTP/1.1${CRLF}Host: a${CRLF}${CRLF}`,
  TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'header without a name': head(': x', 'Content-Length: 12') + BODY,
  'header without a colon': head('X', 'Content-Length: 12') + BODY,
};

for (const [name, bytes] of Object.entries(REFUSED)) {
  test(`hostile HTTP: ${name} is 400, the connection is closed, nothing reaches the upstream`, async () => {
    await using fixture = await ProxyFixture.start();
    const read = await fixture.raw(Buffer.from(bytes, 'latin1'));
    assert.deepEqual(statuses(read), [400], read);
    assert.match(read, /connection: close/i);
    assert.match(read, /application\/problem\+json/);
    assert.equal(fixture.homeserver.seen.length, 0);
    assert.equal((await fixture.request('GET', '/v1/identity')).status, 200, 'others are served on');
    assert.equal(fixture.accessLines()[0]?.['status'], 400);
  });
}

test('hostile HTTP, the control: the same frames written well are two requests', async () => {
  await using fixture = await ProxyFixture.start();
  const last = SMUGGLED.replace('Host: bureau', `Host: bureau${CRLF}Connection: close`);
  assert.deepEqual(statuses(await fixture.raw(head('Content-Length: 12') + BODY + last)), [200, 200]);
  assert.deepEqual(statuses(await fixture.raw(head('Transfer-Encoding: chunked') + CHUNKED + last)), [200, 200]);
  assert.equal(fixture.homeserver.seen.length, 4);
});

test('chunk extensions and trailers are read over and never passed on', async () => {
  await using fixture = await ProxyFixture.start();
  const body = `c;name="value"${CRLF}${BODY}${CRLF}0${CRLF}Authorization: Bearer mine${CRLF}${CRLF}`;
  assert.deepEqual(statuses(await fixture.raw(head('Transfer-Encoding: chunked', 'Connection: close') + body)), [200]);
  assert.equal(fixture.homeserver.seen.length, 1);
  assert.doesNotMatch(JSON.stringify(fixture.homeserver.seen), /mine|value/);
});

test('CONNECT is 403 with a reason, an upgrade 426, a wrong expectation 417: each is an answer, then the end', async () => {
  await using fixture = await ProxyFixture.start();
  const cases: [string, number][] = [
    [`CONNECT example.org:443 HTTP/1.1${CRLF}Host: example.org:443${CRLF}${CRLF}`, 403],
    [
      `GET /v1/identity HTTP/1.1${CRLF}Host: a${CRLF}Connection: Upgrade${CRLF}Upgrade: websocket${CRLF}Sec-WebSocket-Key: x${CRLF}Sec-WebSocket-Version: 13${CRLF}${CRLF}`,
      426,
    ],
    [
      `GET /nothing HTTP/1.1${CRLF}Host: a${CRLF}Connection: Upgrade, HTTP2-Settings${CRLF}Upgrade: h2c${CRLF}HTTP2-Settings: AAMAAABk${CRLF}${CRLF}`,
      426,
    ],
    [head('Expect: 200-maybe', 'Content-Length: 12', 'Connection: close'), 417],
  ];
  for (const [bytes, status] of cases) {
    const read = await fixture.raw(bytes);
    assert.deepEqual(statuses(read), [status], read);
    if (status !== 417) assert.match(read, /application\/problem\+json[^]*"code":/);
  }
  assert.equal(fixture.homeserver.seen.length, 0);
});

test('Expect: 100-continue is answered when the body is wanted, and not for one that is too large', async () => {
  await using fixture = await ProxyFixture.start();
  assert.deepEqual(statuses(await fixture.raw(head('Expect: 100-continue', 'Content-Length: 12', 'Connection: close') + BODY)), [100, 200]);
  assert.deepEqual(statuses(await fixture.raw(head('Expect: 100-continue', 'Content-Length: 999999'))), [413]);
});

test('bounds: a long head, many headers and an endless body end in an answer and a closed connection', async () => {
  await using fixture = await ProxyFixture.start({ limits: { requestBodyBytes: 10_000 } });
  assert.deepEqual(statuses(await fixture.raw(head(`X-A: ${'a'.repeat(20_000)}`))), [431]);
  assert.deepEqual(statuses(await fixture.raw(head(...Array.from({ length: 200 }, (_, index) => `X-${index}: 1`)))), [431]);
  const chunk = `1000${CRLF}${'x'.repeat(4_096)}${CRLF}`;
  const read = await fixture.raw(head('Transfer-Encoding: chunked') + chunk.repeat(100));
  assert.deepEqual(statuses(read), [413]);
  assert.match(read, /connection: close/i);
});

test('slow requests are cut: a head that never ends, a body that never ends, bytes before nothing', async () => {
  await using fixture = await ProxyFixture.start({ limits: { headMilliseconds: 150, requestMilliseconds: 300, sweepMilliseconds: 50 } });
  assert.deepEqual(statuses(await fixture.raw('GET /v1/identity HTTP/1.1\r\nHost: a\r\nX-')), [408]);
  assert.deepEqual(statuses(await fixture.raw(head('Content-Length: 12') + '{"bo')), [408]);
  assert.deepEqual(statuses(await fixture.raw('G')), [408]);
  assert.equal(fixture.homeserver.seen.length, 0);
});

test('a request that follows garbage is never answered by the error of the garbage', async () => {
  await using fixture = await ProxyFixture.start();
  let release = (): void => undefined;
  const arrived = new Promise<void>((resolve) => {
    fixture.homeserver.script = () =>
      new Promise((answer) => {
        resolve();
        release = () => answer(false);
      });
  });
  const reading = fixture.raw(head('Content-Length: 12') + BODY + 'garbage\r\n\r\n');
  // The first request may already have been sent when the second turns out to be garbage: then the connection is closed without a word.
  await Promise.race([arrived, reading]);
  release();
  assert.deepEqual(statuses(await reading), []);
  assert.ok(fixture.homeserver.seen.length <= 1);
});

test('connections beyond the limit are closed, the others served', async () => {
  await using fixture = await ProxyFixture.start({ limits: { connections: 3 } });
  const sockets = [connect(fixture.agentPath), connect(fixture.agentPath), connect(fixture.agentPath)];
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    assert.equal(await fixture.raw('GET /v1/identity HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), '');
    const [first] = sockets;
    assert.ok(first);
    first.write('GET /v1/identity HTTP/1.1\r\nHost: a\r\n\r\n');
    const [data] = (await once(first, 'data')) as [Buffer];
    assert.deepEqual(statuses(data.toString('latin1')), [200]);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('requests beyond the limit are told to come back', async () => {
  await using fixture = await ProxyFixture.start({ limits: { concurrentRequests: 2 } });
  const releases: (() => void)[] = [];
  const bothArrived = new Promise<void>((resolve) => {
    fixture.homeserver.script = () =>
      new Promise((answer) => {
        releases.push(() => answer(false));
        if (releases.length === 2) resolve();
      });
  });
  const running = [fixture.send('!room:test.local', { body: 'a' }), fixture.send('!other:test.local', { body: 'b' })];
  await bothArrived;
  const third = await fixture.request('GET', '/v1/identity');
  assert.deepEqual([third.status, third.json['code'], third.headers['retry-after']], [429, 'too_busy', '1']);
  for (const release of releases) release();
  assert.deepEqual(
    (await Promise.all(running)).map((answer) => answer.status),
    [200, 200],
  );
  assert.equal((await fixture.request('GET', '/v1/identity')).status, 200);
});

test('a client that has gone ends its call upstream', { timeout: 10_000 }, async () => {
  await using fixture = await ProxyFixture.start();
  const gone = new AbortController();
  const cut = new Promise<void>((resolve) => {
    fixture.homeserver.script = (_seen, response) => {
      response.once('close', () => resolve());
      gone.abort();
      return true;
    };
  });
  const path = '/v1/matrix/rooms/!room%3Atest.local/messages';
  await assert.rejects(
    fixture.request('POST', path, { headers: { 'content-type': 'application/json' }, body: BODY, signal: gone.signal }),
    { name: 'AbortError' },
  );
  await cut;
  assert.equal((await fixture.request('GET', '/healthz')).status, 200);
  assert.equal(fixture.accessLines()[0]?.['status'], 499);
});

test('a client that never reads is cut, and costs its own connection only', { timeout: 30_000 }, async () => {
  // The limits on slow requests would cut it too, later; here they must not.
  await using fixture = await ProxyFixture.start({
    limits: { pipelinedRequests: 1_000_000, stalledMilliseconds: 4_000, headMilliseconds: 600_000, requestMilliseconds: 600_000 },
  });
  const socket = connect(fixture.agentPath);
  socket.pause();
  const closed = new Promise<void>((resolve) => socket.on('error', () => undefined).once('close', () => resolve()));
  // More than the kernel and the proxy's own bound take: the rest waits in this process until the proxy closes.
  socket.write('GET /v1/identity HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100_000));
  assert.equal((await fixture.request('GET', '/v1/identity')).status, 200);
  await closed;
  assert.ok(fixture.accessLines().length < 20_000, 'the proxy stopped reading when nobody read its answers');
});

test('more requests at once on one connection than wait for their turn: the connection is closed, the others are served', async () => {
  await using fixture = await ProxyFixture.start({ limits: { pipelinedRequests: 4 } });
  const get = 'GET /v1/identity HTTP/1.1\r\nHost: a\r\n\r\n';
  const last = get.replace('Host: a', 'Host: a\r\nConnection: close');
  assert.deepEqual(statuses(await fixture.raw(get.repeat(4) + last)), [200, 200, 200, 200, 200], 'the control');
  assert.deepEqual(statuses(await fixture.raw(get.repeat(1_000))), []);
  assert.equal((await fixture.request('GET', '/v1/identity')).status, 200);
  assert.equal(fixture.accessLines().filter((line) => line['code'] === 'too_many_pipelined').length, 1);
});

test('a change of protocol behind a request that runs gets no answer, and leaves its line', async () => {
  await using fixture = await ProxyFixture.start();
  const changes = {
    CONNECT: 'CONNECT x.test:443 HTTP/1.1\r\nHost: x.test:443\r\n\r\n',
    GET: 'GET /v1/http/api/x HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    '-': 'no request\r\n\r\n',
  };
  for (const [method, bytes] of Object.entries(changes)) {
    const before = fixture.accessLines().length;
    const read = await fixture.raw(`GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n${bytes}`);
    assert.ok((read.match(/HTTP\/1\.1 /g) ?? []).length <= 1, read);
    const lines = fixture.accessLines().slice(before);
    const cut = lines.filter((line) => line['code'] !== undefined);
    assert.deepEqual(
      cut.map((line) => [line['method'], line['status']]),
      [[method, 400]],
      JSON.stringify(lines),
    );
  }
});
