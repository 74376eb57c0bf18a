// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { KEY, configureApi, headersOf, proxyFor } from '../testing/services.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';

/** What may be under way between two ends that do not read: the kernel's buffers of two sockets, and Node's of both. */
const UNDER_WAY = 8 * 1_024 * 1_024;

test('an agent that never reads stops the upstream: what is under way is bounded, and goes on when it reads', async () => {
  await using upstream = await UpstreamStandIn.start();
  let sent = 0;
  const piece = Buffer.alloc(64 * 1_024, 'x');
  const total = 64 * 1_024 * 1_024;
  const stopped = new Promise<void>((resolve) => {
    upstream.answer = ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
      const push = (): void => {
        while (sent < total) {
          sent += piece.length;
          if (!socket.write(piece)) {
            // Nothing drains for a second: everything between is full.
            const full = setTimeout(resolve, 1_000);
            socket.once('drain', () => (clearTimeout(full), push()));
            return;
          }
        }
      };
      push();
    };
  });
  await using fixture = await proxyFor(upstream.url);
  const agent = connect(fixture.agentPath);
  agent.pause();
  agent.write('GET /v1/http/api/endless HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n');
  await stopped;
  assert.ok(sent < UNDER_WAY, `${sent} bytes were taken`);
  let got = 0;
  agent.on('data', (chunk: Buffer) => (got += chunk.length));
  agent.resume();
  await once(agent, 'close');
  assert.ok(got > total, 'then all of it came, with its head');
});

test('an upstream that never reads stops the agent', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  upstream.onSocket = (socket) => void socket.pause();
  const agent = connect(fixture.agentPath);
  agent.on('error', () => undefined);
  agent.write('POST /v1/http/api/up HTTP/1.1\r\nHost: b\r\nContent-Length: 1000000000\r\n\r\n');
  const piece = Buffer.alloc(64 * 1_024, 'y');
  let sent = 0;
  await new Promise<void>((resolve) => {
    const push = (): void => {
      for (;;) {
        sent += piece.length;
        if (agent.write(piece)) continue;
        const full = setTimeout(resolve, 1_000);
        agent.once('drain', () => (clearTimeout(full), push()));
        return;
      }
    };
    push();
  });
  agent.destroy();
  assert.ok(sent < UNDER_WAY, `${sent} bytes were taken`);
});

test('smuggling: whatever the framing of an agent, the upstream sees one request or none', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  const head = 'POST /v1/http/api/x HTTP/1.1\r\nHost: b\r\n';
  const inner = 'GET /stolen HTTP/1.1\r\nHost: b\r\n\r\n';
  const cases = [
    `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `${head}Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
    `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${inner}`,
    `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${inner}`,
    `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${inner}`,
    `${head}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${inner}`,
    `${head}Content-Length: +5\r\n\r\n${inner}`,
    `${head}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n${inner}`,
    `${head}Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n${inner}`,
    `${head}X: a\nContent-Length: 3\r\n\r\nabc`,
    `${head}X: a\0b\r\n\r\n`,
    `GET /v1/http/api/x\0y HTTP/1.1\r\nHost: b\r\n\r\n`,
    `GET /v1/http/api/x y HTTP/1.1\r\nHost: b\r\n\r\n`,
  ];
  for (const bytes of cases) {
    const before = upstream.seen.length;
    const text = await fixture.raw(bytes, { end: true });
    assert.match(text, /^(HTTP\/1\.1 400 |$)/, JSON.stringify(bytes));
    assert.ok(upstream.seen.length - before <= 1 && !upstream.seen.join('').includes('/stolen'), JSON.stringify(bytes));
  }
  await configureApi(fixture, upstream.url);
  const before = upstream.seen.length;
  const two = `${head}Content-Length: 3\r\n\r\nabcGET /v1/http/api/second HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n`;
  assert.equal((await fixture.raw(two)).match(/HTTP\/1\.1 200/g)?.length, 2, 'the control: two honest requests on one connection');
  assert.equal(upstream.seen.length - before, 2);
});

test('the key is in no answer, log line, environment or argument of the process', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url);
  for (const text of [
    `HTTP/1.1 200 OK\r\nx: ${KEY}\r\ncontent-length: 0\r\n\r\n`,
    `HTTP/1.1 200 ${KEY}\r\ncontent-length: 0\r\n\r\n`,
    `${KEY}\r\n\r\n`,
  ]) {
    upstream.answer = ({ socket }) => socket.write(text);
    await fixture.request('GET', '/v1/http/api/x');
  }
  await fixture.request('GET', '/v1/services');
  assert.ok(
    upstream.seen.every((seen) => headersOf(seen).some(([, value]) => value === KEY)),
    'the control: it went out each time',
  );
  assert.ok(!fixture.received.join('').includes(KEY) && !fixture.log().includes(KEY));
});
