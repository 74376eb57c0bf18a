// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { selfSigned } from '@bureau/testkit/self-signed';
import { KEY, configureApi, headersOf, proxyFor } from '../testing/services.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';
import { acceptOf } from './websocket.ts';

const BLANKED = '*'.repeat(KEY.length);
const AWKWARD = 'sk/a+b=c/d&e"fghij';

test('a body that holds the key has its length and not the key: sized, in chunks, cut inside the key, to the end of the connection', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  const body = `you sent ${KEY}, ${KEY}`;
  const blanked = `you sent ${BLANKED}, ${BLANKED}`;
  upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).text, blanked);
  const [start, end] = [body.slice(0, 25), body.slice(25)];
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  upstream.answer = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk(start)}`, () =>
      setImmediate(() => socket.write(`${chunk(end)}0\r\n\r\n`)),
    );
  };
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).text, blanked);
  upstream.answer = ({ socket }) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${body}`);
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).text, blanked);
  assert.ok(upstream.seen.every((seen) => seen.includes(KEY)));
});

test('the key is found as a query, as JSON and as Basic spell it', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  const inject = [
    { secret: 'API_KEY', query: 'key' },
    { secret: 'API_KEY', basic: 'u' },
  ];
  await configureApi(fixture, upstream.url, { inject }, { API_KEY: AWKWARD });
  upstream.answer = ({ head, socket }) => {
    const body = `${head}${head.toLowerCase()}${JSON.stringify(AWKWARD).replaceAll('/', String.raw`\/`)}${encodeURIComponent(AWKWARD)}`;
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  };
  const { text } = await fixture.request('GET', '/v1/http/api/x');
  const basic = Buffer.from(`u:${AWKWARD}`).toString('base64');
  for (const form of [AWKWARD, encodeURIComponent(AWKWARD), basic]) assert.ok(!text.includes(form), `${form} in ${text}`);
  assert.match(text, /authorization: Basic \*+\r\n/);
});

test('the key is found in base64 at each place, in JSON of other encoders, and where such a spelling is cut', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  await configureApi(fixture, upstream.url, {}, { API_KEY: AWKWARD });
  const base64 = ['', 'a', 'ab'].map((before) => Buffer.from(`${before}${AWKWARD} and more`).toString('base64'));
  const forms = [
    ...base64,
    ...base64.map((one) => one.replaceAll('+', '-').replaceAll('/', '_')),
    JSON.stringify(AWKWARD),
    JSON.stringify(AWKWARD).replaceAll('&', String.raw`\u0026`),
    JSON.stringify(AWKWARD).replaceAll('/', String.raw`\/`),
    `"${AWKWARD.replaceAll(/[&+"]/g, (one) => `\\u${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)}"`,
  ];
  for (const form of forms) {
    upstream.answer = ({ socket }) => {
      const text = `<${form}>`;
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text.slice(0, 17)}`, () =>
        setImmediate(() => socket.write(text.slice(17))),
      );
    };
    const { text } = await fixture.request('GET', '/v1/http/api/x');
    assert.equal(text.length, form.length + 2);
    // Of base64, digits that a neighbour has a part in stay.
    const letters = text.replaceAll('*', '').length - 2;
    assert.ok(text.includes('*****') && letters <= form.length - AWKWARD.length, `${text} of ${form}`);
    if (!form.startsWith('"')) assert.ok(!Buffer.from(text, 'base64').toString('latin1').includes(AWKWARD.slice(1, -1)));
    else assert.ok(!text.includes('fghij'), text);
  }
});

test('what is compressed is not asked for, and refused when it comes; a bundle can leave the search out', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  const packed = gzipSync(`you sent ${KEY}`);
  upstream.answer = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`);
    socket.write(packed);
  };
  const headers = { 'accept-encoding': 'gzip' };
  const refused = await fixture.request('GET', '/v1/http/api/x', { headers });
  assert.deepEqual([refused.status, refused.json['code'], refused.json['reason']], [502, 'upstream_encoded', 'gzip']);
  const codings = (seen: string): unknown => headersOf(seen).filter(([name]) => name === 'accept-encoding');
  assert.deepEqual(codings(upstream.seen[0] ?? ''), [['accept-encoding', 'identity']]);
  upstream.answer = ({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 40\r\n\r\n');
  assert.equal((await fixture.request('HEAD', '/v1/http/api/x')).status, 200, 'no body');
  upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${KEY.length}\r\n\r\n${KEY}`);
  await configureApi(fixture, upstream.url, { redact_bodies: false });
  assert.equal((await fixture.request('GET', '/v1/http/api/x', { headers })).text, KEY);
  assert.deepEqual(codings(upstream.seen.at(-1) ?? ''), [['accept-encoding', 'gzip']]);
});

test('events go out as they come, although they are searched', async () => {
  await using upstream = await UpstreamStandIn.start();
  let next: (text: string) => void = () => undefined;
  upstream.answer = ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    next = (text) => (text === '' ? socket.end() : socket.write(text));
  };
  await using fixture = await proxyFor(upstream.url);
  const response = await fixture.stream('GET', '/v1/http/api/events');
  const chunks = response.iterator({ destroyOnReturn: false });
  for (const [text, arrives] of [
    [`data: ${KEY}\n\n`, `data: ${BLANKED}\n\n`],
    [`data: this ends in sk-`, `data: this ends in sk-`],
    [` ${KEY.slice(0, 20)}`, ' '],
    [' no key\n\n', `${KEY.slice(0, 20)} no key\n\n`],
  ] as const) {
    next(text);
    assert.equal(String((await chunks.next()).value), arrives);
  }
  next(KEY.slice(0, 20));
  next('');
  assert.equal(String((await chunks.next()).value), KEY.slice(0, 20), 'what waited goes out at the end');
});

test('messages of a WebSocket are searched, and compression is not agreed to', async () => {
  await using upstream = await UpstreamStandIn.start();
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  upstream.answer = ({ socket }) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n\x81`,
    );
    socket.end(`${String.fromCharCode(KEY.length)}${KEY}`);
  };
  await using fixture = await proxyFor(upstream.url, { websocket: true });
  const agent = connect(fixture.agentPath);
  agent.write(
    `GET /v1/http/api/socket HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  let read = '';
  agent.on('data', (bytes: Buffer) => (read += bytes.toString('latin1')));
  await once(agent, 'close');
  assert.ok(read.endsWith(`${String.fromCharCode(KEY.length)}${BLANKED}`), read);
  assert.doesNotMatch(upstream.seen[0] ?? '', /extensions/i);
});

test('HTTP/2: the key in a body, and a compressed one', async () => {
  const { key, cert } = selfSigned('localhost');
  const server = createSecureServer({ key, cert });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] === '/packed') stream.respond({ ':status': 200, 'content-encoding': 'br' });
    stream.end(`you sent ${String(headers['x-api-key'])}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    await using fixture = await proxyFor(url, { http2: true, ca: String(cert) });
    assert.equal((await fixture.request('GET', '/v1/http/api/x')).text, `you sent ${BLANKED}`);
    const refused = await fixture.request('GET', '/v1/http/api/packed');
    assert.deepEqual([refused.status, refused.json['code']], [502, 'upstream_encoded']);
  } finally {
    server.close();
  }
});
