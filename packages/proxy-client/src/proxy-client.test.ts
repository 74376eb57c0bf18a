// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { EventParser } from './event-parser.ts';
import { ProxyClient, ProxyError } from './index.ts';

/** A client before a stand-in of a proxy. */
async function clientOf(context: TestContext, listener: RequestListener): Promise<ProxyClient> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-client-'));
  const socketPath = join(directory, 'proxy.sock');
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(socketPath, () => resolve()));
  const client = new ProxyClient({ socketPath });
  context.after(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(directory, { recursive: true });
  });
  return client;
}

test('ProxyClient.json() sends objects as JSON and reads JSON', async (context) => {
  const client = await clientOf(context, (request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.once('end', () =>
      response.end(JSON.stringify({ method: request.method, url: request.url, type: request.headers['content-type'], body })),
    );
  });
  assert.deepEqual(await client.json('POST', '/v1/x?y', { body: { a: 1 } }), {
    method: 'POST',
    url: '/v1/x?y',
    type: 'application/json',
    body: '{"a":1}',
  });
  assert.equal((await client.json<{ body: string }>('PUT', '/', { body: 'text' })).body, 'text');
});

test('ProxyClient: presence and display names, of a user and of the caller itself', async (context) => {
  const asked: string[] = [];
  const client = await clientOf(context, (request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.once('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      response.end(JSON.stringify({ display_name: null, presence: 'online', status_msg: 'x' }));
    });
  });
  assert.equal(await client.displayName('@iree/pm:b'), null);
  assert.equal(await client.displayName(), null);
  assert.equal((await client.presence('@iree/pm:b')).status_msg, 'x');
  assert.equal((await client.presence()).presence, 'online');
  await client.setPresence('unavailable');
  await client.setPresence('online', 'x');
  assert.deepEqual(asked, [
    'GET /v1/matrix/display-name?user=%40iree%2Fpm%3Ab ',
    'GET /v1/matrix/display-name ',
    'GET /v1/matrix/presence?user=%40iree%2Fpm%3Ab ',
    'GET /v1/matrix/presence ',
    'POST /v1/matrix/presence {"presence":"unavailable"}',
    'POST /v1/matrix/presence {"presence":"online","status_msg":"x"}',
  ]);
});

test('ProxyClient: a refusal is a ProxyError with the proxy’s code and words; an upstream’s error is its own', async (context) => {
  const client = await clientOf(context, (request, response) => {
    const problem = request.url === '/problem';
    response.writeHead(403, { 'content-type': problem ? 'application/problem+json' : 'application/json' });
    response.end(problem ? '{"code":"not_granted","detail":"No.","rule":"grants"}' : '{"code":"theirs"}');
  });
  await assert.rejects(client.text('GET', '/problem'), (error: unknown) => {
    assert.ok(error instanceof ProxyError);
    assert.deepEqual([error.status, error.code, error.message, error.details['rule']], [403, 'not_granted', 'No.', 'grants']);
    return true;
  });
  await assert.rejects(client.text('GET', '/x'), { status: 403, code: 'upstream_error', body: '{"code":"theirs"}' });
});

test('ProxyClient: no proxy, a proxy that says nothing, a caller that gives up', async (context) => {
  await assert.rejects(new ProxyClient({ socketPath: '/nonexistent/proxy.sock' }).identity(), { code: 'ENOENT' });
  const client = await clientOf(context, () => undefined);
  await assert.rejects(client.identity({ timeoutMilliseconds: 20 }), { code: 'ETIMEDOUT' });
  await assert.rejects(client.identity({ signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('ProxyClient.events() goes on after the last event when the stream breaks, and ends with a refusal', async (context) => {
  const asked: (string | undefined)[] = [];
  const client = await clientOf(context, (request, response) => {
    asked.push(request.headers['last-event-id'] as string | undefined);
    if (asked.length === 3)
      return void response.writeHead(403, { 'content-type': 'application/problem+json' }).end('{"code":"revoked","detail":"No."}');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`retry: 1\nid: ${asked.length}\ndata: event ${asked.length}\n\ndata: half`, () => response.destroy());
  });
  const events: string[] = [];
  await assert.rejects(
    async () => {
      for await (const event of client.events('/v1/matrix/events')) events.push(event.data);
    },
    { code: 'revoked' },
  );
  assert.deepEqual(events, ['event 1', 'event 2']);
  assert.deepEqual(asked, [undefined, '1', '2']);
});

test('EventParser: any pieces give the same events', () => {
  const text = ':comment\r\nevent: a\r\ndata: 1\r\ndata:2\r\nid: 7\r\n\r\nevent: none\n\ndata\n\ndata: x\r\rretry: 5\nunknown: 1\n\n';
  const expected = [
    { type: 'a', data: '1\n2', id: '7' },
    { type: 'message', data: '', id: '7' },
    { type: 'message', data: 'x', id: '7' },
  ];
  assert.deepEqual(new EventParser().push(text), expected);
  for (let size = 1; size < 7; size += 1) {
    const parser = new EventParser();
    const events = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
      parser.push(text.slice(index * size, (index + 1) * size)),
    );
    assert.deepEqual(events.flat(), expected, `in pieces of ${size}`);
    assert.equal(parser.retry, 5);
  }
  assert.throws(() => new EventParser().push('x'.repeat(5 * 1024 * 1024)), RangeError);
});
