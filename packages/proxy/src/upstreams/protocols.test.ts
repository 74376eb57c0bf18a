// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { KEY, configureApi, headersOf, proxyFor } from '../testing/services.ts';
import { selfSigned } from '@bureau/testkit/self-signed';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';
import { acceptOf } from './websocket.ts';

const SOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const UPGRADE = `Host: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${SOCKET_KEY}\r\n`;

async function serving(server: Server): Promise<AsyncDisposable & { port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}

/** Reads from a socket until `text` has come. */
async function until(socket: Socket, text: string): Promise<string> {
  let read = '';
  while (!read.includes(text)) read += String((await once(socket, 'data', { signal: AbortSignal.timeout(5_000) }))[0]);
  return read;
}

test('WebSocket: the key goes in with the change of protocol, bytes go both ways, and either end closes both', async () => {
  await using upstream = await UpstreamStandIn.start();
  const accept = acceptOf(SOCKET_KEY);
  assert.equal(accept, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'the example of RFC 6455');
  upstream.answer = ({ socket }) => {
    socket.removeAllListeners('data');
    socket.on('data', (chunk: Buffer) => socket.write(Buffer.concat([Buffer.from('echo '), chunk])));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nX-Echo: ${KEY}\r\n\r\nfirst`,
    );
  };
  await using fixture = await proxyFor(upstream.url, { websocket: true }, { limits: { stalledMilliseconds: 200 } });
  const agent = connect(fixture.agentPath);
  agent.write(`GET /v1/http/api/socket HTTP/1.1\r\n${UPGRADE}X-Api-Key: mine\r\n\r\n`);
  const head = await until(agent, 'first');
  assert.match(
    head,
    /^HTTP\/1\.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nSec-WebSocket-Accept: .*\r\nX-Echo: \[redacted\]\r\n\r\nfirst$/,
  );
  await fixture.silence(400);
  agent.write('hello');
  assert.equal(await until(agent, 'hello'), 'echo hello', 'silence ends nothing');
  const headers = headersOf(upstream.seen[0] ?? '');
  assert.deepEqual(
    headers.filter(([name]) => name === 'x-api-key'),
    [['x-api-key', KEY]],
  );
  assert.deepEqual(
    headers.filter(([name]) => name === 'upgrade' || name === 'connection'),
    [
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
    ],
  );
  const second = connect(fixture.agentPath);
  second.write(`GET /v1/http/api/socket HTTP/1.1\r\n${UPGRADE}\r\n`);
  await until(second, 'first');
  const [theirs] = upstream.sockets;
  agent.end();
  if (theirs !== undefined && !theirs.destroyed) await once(theirs, 'close');
  while (fixture.accessLines().length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(fixture.accessLines().at(-1)?.['status'], 101);
  const closed = once(second, 'close');
  await fixture.proxy.stop();
  await closed;
});

test('an upgrade is judged: refused without the rule, by another name, by a path that is not allowed, and when the upstream does not agree', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  const ask = (path: string, headers = UPGRADE): Promise<string> => fixture.raw(`GET ${path} HTTP/1.1\r\n${headers}\r\n`);
  assert.match(await ask('/v1/http/api/socket'), /^HTTP\/1\.1 426 [^]*upgrade_unavailable/);
  await configureApi(fixture, upstream.url, { websocket: true, paths: ['/socket'] });
  assert.match(await ask('/v1/http/api/socket', UPGRADE.replace('websocket', 'h2c')), /^HTTP\/1\.1 426 /);
  assert.match(await ask('/v1/http/api/socket', UPGRADE.replace('13', '12')), /^HTTP\/1\.1 426 /);
  assert.match(await ask('/v1/http/api/other'), /^HTTP\/1\.1 403 /);
  assert.equal(upstream.seen.length, 0);
  const refuses = await ask('/v1/http/api/socket');
  assert.match(refuses, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*ok$/i, 'an upstream that answers without a change of protocol');
  upstream.answer = ({ socket }) =>
    socket.write('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n');
  assert.match(await ask('/v1/http/api/socket'), /^HTTP\/1\.1 502 [^]*upstream_malformed/);
});

test('a CA of the bundle vouches for its own upstream and nothing else does: wrong name, other CA', async () => {
  const own = selfSigned('localhost');
  const other = selfSigned('localhost');
  let requests = 0;
  await using server = await serving(createTlsServer(own, (_request, response) => response.end(`tls ${(requests += 1)}`)));
  await using fixture = await proxyFor(`https://localhost:${server.port}`, { ca: String(own.cert) });
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).text, 'tls 1');
  await configureApi(fixture, `https://localhost:${server.port}`, { ca: String(other.cert) });
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).json['code'], 'upstream_untrusted');
  const wrongName = selfSigned('elsewhere.test');
  await using second = await serving(createTlsServer(wrongName, (_request, response) => response.end(`tls ${(requests += 1)}`)));
  await configureApi(fixture, `https://localhost:${second.port}`, { ca: String(wrongName.cert) });
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).json['code'], 'upstream_untrusted');
  assert.equal(requests, 1);
});

test('HTTP/2: headers, bodies, streams and trailers; a server that only speaks HTTP/1.1 is told apart', async () => {
  const { key, cert } = selfSigned('localhost');
  const server: Http2SecureServer = createSecureServer({ key, cert });
  const seen: Record<string, unknown>[] = [];
  server.on('stream', (stream, headers) => {
    seen.push({ ...headers });
    stream.on('error', () => undefined);
    if (headers[':path'] === '/reset') return stream.close(2);
    let body = '';
    stream.on('data', (chunk: Buffer) => (body += String(chunk)));
    stream.on('end', () => {
      stream.respond({ ':status': 201, 'x-echo': KEY }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': String(body.length) }));
      stream.end(`got ${body}`);
    });
  });
  await using listening = await serving(server as unknown as Server);
  const url = `https://localhost:${listening.port}`;
  await using fixture = await proxyFor(url, { http2: true, ca: String(cert) });
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((body) => fixture.request('POST', `/v1/http/api/${body}`, { body, headers: { 'x-api-key': 'mine' } })),
  );
  assert.deepEqual(
    answers.map(({ status, text }) => [status, text]),
    [
      [201, 'got a'],
      [201, 'got b'],
      [201, 'got c'],
    ],
  );
  assert.equal(answers[0]?.headers['x-echo'], '[redacted]');
  assert.deepEqual(
    [seen[0]?.[':authority'], seen[0]?.['x-api-key'], seen[0]?.['content-length']],
    [`localhost:${listening.port}`, KEY, '1'],
  );
  assert.match(await fixture.raw('GET /v1/http/api/t HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n'), /0\r\nx-sum: 0\r\n\r\n$/);
  assert.equal((await fixture.request('GET', '/v1/http/api/reset')).status, 502);
  await using one = await serving(createTlsServer({ key, cert }, (_request, response) => response.end('1.1')));
  await configureApi(fixture, `https://localhost:${one.port}`, { http2: true, ca: String(cert) });
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).status, 502);
});
