// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProxyFixture } from '../testing/proxy-fixture.ts';
import { KEY, configureApi, headersOf, proxyFor } from '../testing/services.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';

test('a call goes out with the key and without what the agent sent under its name, in any form', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(`${upstream.url}/base/`);
  const answer = await fixture.raw(
    'GET /v1/http/api/a%2Fb%3Ac?q=%20x HTTP/1.1\r\nHost: bureau\r\nX-API-KEY: mine\r\nx-api-key: twice\r\nAuthorization: Bearer mine\r\nCookie: a=b\r\nX-Private: 1\r\nAccept: a/b\r\nConnection: close, X-Private\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/);
  assert.equal(upstream.seen.length, 1);
  assert.ok(upstream.seen[0]?.startsWith('GET /base/a%2Fb%3Ac?q=%20x HTTP/1.1\r\n'), upstream.seen[0]);
  const [line] = fixture.accessLines();
  const traceparent = headersOf(upstream.seen[0] ?? '').find(([name]) => name === 'traceparent')?.[1] ?? '';
  assert.match(traceparent, new RegExp(`^00-${String(line?.['trace_id'])}-[0-9a-f]{16}-00$`), 'a trace of its own');
  assert.deepEqual(headersOf(upstream.seen[0] ?? ''), [
    ['host', new URL(upstream.url).host],
    ['accept', 'a/b'],
    ['accept-encoding', 'identity'],
    ['traceparent', traceparent],
    ['x-api-key', KEY],
  ]);
  assert.deepEqual([line?.['service'], line?.['path'], line?.['status'], line?.['bytes_out']], ['api', '/v1/http/api/…', 200, 2]);
});

test('query, cookie and basic injections replace what the agent sent there', async () => {
  await using upstream = await UpstreamStandIn.start();
  const inject = [
    { secret: 'API_KEY', query: 'key' },
    { secret: 'API_KEY', cookie: 'session' },
    { secret: 'API_KEY', basic: 'user' },
  ];
  await using fixture = await proxyFor(upstream.url, { inject });
  await fixture
    .request('GET', '/v1/http/api/x?a=1&KEY=mine&%6bey=mine&key[]=x&b=%2F', {
      headers: { cookie: 'session=mine', authorization: 'Basic x' },
    })
    .catch(() => undefined);
  const [seen = ''] = upstream.seen;
  assert.ok(seen.startsWith(`GET /x?a=1&b=%2F&key=${KEY} HTTP/1.1\r\n`), seen);
  const headers = headersOf(seen);
  assert.deepEqual(
    headers.filter(([name]) => name === 'cookie'),
    [['cookie', `session=${KEY}`]],
  );
  assert.deepEqual(
    headers.filter(([name]) => name === 'authorization'),
    [['authorization', `Basic ${Buffer.from(`user:${KEY}`).toString('base64')}`]],
  );
});

test('what leaves its place is refused in every spelling, and nothing reaches the upstream', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url, { methods: ['GET'], paths: ['/ok/*'] });
  const cases: [string, string][] = [
    ['/ok/../secret', 'upstream_path_ambiguous'],
    ['/ok/..%2fsecret', 'upstream_path_ambiguous'],
    ['/ok/%2e%2e/secret', 'upstream_path_ambiguous'],
    ['/ok/%252e%252e%252fsecret', 'upstream_path_ambiguous'],
    ['/ok/..;/secret', 'upstream_path_ambiguous'],
    ['/ok/a%2fb', 'upstream_path_ambiguous'],
    ['/ok/a%00', 'upstream_path_ambiguous'],
    ['/ok/%zz', 'upstream_path_ambiguous'],
    ['/ok\\x', 'upstream_path_ambiguous'],
    ['//ok/x', 'upstream_rule_refused'],
    ['/secret', 'upstream_rule_refused'],
    ['/ok/a/b', 'upstream_rule_refused'],
  ];
  for (const [path, code] of cases) {
    const answer = await fixture.raw(`GET /v1/http/api${path} HTTP/1.1\r\nHost: bureau\r\nConnection: close\r\n\r\n`);
    assert.ok(answer.startsWith('HTTP/1.1 403 ') && answer.includes(`"code":"${code}"`), `${path}: ${answer}`);
  }
  assert.equal((await fixture.request('POST', '/v1/http/api/ok/x')).json['code'], 'upstream_rule_refused');
  assert.equal((await fixture.request('GET', '/v1/http/matrix/_matrix/client/v3/sync')).json['code'], 'upstream_not_granted');
  assert.equal((await fixture.request('GET', '/v1/http/other/x')).json['code'], 'upstream_not_granted');
  assert.equal(upstream.seen.length, 0);
  const [refused] = fixture.accessLines();
  assert.deepEqual([refused?.['service'], refused?.['path'], refused?.['rule']], ['api', '/v1/http/api/…', 'upstreams.api.path']);
  assert.match(await fixture.raw('GET /v1/http/api/ok/a%20b HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200/);
  assert.ok(upstream.seen[0]?.startsWith('GET /ok/a%20b HTTP/1.1\r\n'));
});

test('an answer loses what was configured, keys that it reflects, and hop headers; redirects are passed, never followed', async () => {
  await using upstream = await UpstreamStandIn.start();
  upstream.answer = ({ socket }) =>
    socket.write(
      `HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/?k=${KEY}\r\nSet-Cookie: a=b\r\nX-Hop: 1\r\nConnection: X-Hop\r\nKeep-Alive: timeout=9\r\nX-Echo: ${KEY}${KEY}\r\nContent-Length: 0\r\n\r\n`,
    );
  await using fixture = await proxyFor(upstream.url, { strip_response: ['Set-Cookie'] });
  const answer = await fixture.request('GET', '/v1/http/api/x');
  assert.equal(answer.status, 302);
  assert.equal(answer.headers.location, 'https://elsewhere.test/?k=[redacted]');
  assert.equal(answer.headers['x-echo'], '[redacted][redacted]');
  assert.deepEqual([answer.headers['set-cookie'], answer.headers['x-hop']], [undefined, undefined]);
  assert.equal(upstream.seen.length, 1);
});

test('bodies stream both ways with their framing, and the connection is kept', async () => {
  await using upstream = await UpstreamStandIn.start();
  upstream.answer = ({ body, socket }) =>
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Seen: ${body.length}\r\n\r\n`);
  await using fixture = await proxyFor(upstream.url);
  const sized = await fixture.request('POST', '/v1/http/api/x', { body: '12345' });
  assert.deepEqual([sized.status, sized.text], [200, '{}']);
  const chunked = await fixture.raw(
    'POST /v1/http/api/x HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Api-Key: mine\r\n\r\n',
  );
  assert.match(chunked, /\r\n\r\n2\r\n\{\}\r\n0\r\nX-Seen: \d+\r\n\r\n$/);
  assert.equal(upstream.connections, 1);
  assert.ok(upstream.seen[0]?.endsWith('\r\n\r\n12345'));
  assert.ok(upstream.seen[1]?.endsWith('\r\n\r\n3\r\nabc\r\n0\r\n\r\n'), 'trailers of an agent go nowhere');
});

test('each chunk of a stream arrives by itself, before the next is sent, and the head before the first', async () => {
  await using upstream = await UpstreamStandIn.start();
  let next: (text: string) => void = () => undefined;
  upstream.answer = ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    next = (text) => (text === '' ? socket.end() : socket.write(text));
  };
  await using fixture = await proxyFor(upstream.url, {}, { limits: { stalledMilliseconds: 200 } });
  const response = await fixture.stream('GET', '/v1/http/api/events');
  assert.equal(response.headers['content-type'], 'text/event-stream');
  const chunks = response.iterator({ destroyOnReturn: false });
  for (const text of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
    next(text);
    assert.equal(String((await chunks.next()).value), text);
  }
  await fixture.silence(600);
  next('data: late\n\n');
  assert.equal(String((await chunks.next()).value), 'data: late\n\n', 'silence of the upstream is no fault of the agent');
  next('');
  assert.equal((await chunks.next()).done, true);
});

test('an upstream over a Unix socket', async () => {
  await using fixture = await ProxyFixture.start({ unconfigured: true });
  const path = join(fixture.directory, 'upstream.sock');
  await using upstream = await UpstreamStandIn.start(path);
  await configureApi(fixture, 'http://service.local/v2', { unix: path });
  assert.equal((await fixture.request('DELETE', '/v1/http/api')).status, 200);
  assert.ok(upstream.seen[0]?.startsWith('DELETE /v2/ HTTP/1.1\r\nhost: service.local\r\n'), upstream.seen[0]);
});

test('chunks that come in one piece go out as the chunks that they are', async () => {
  await using upstream = await UpstreamStandIn.start();
  upstream.answer = ({ socket }) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n1\r\nh\r\n0\r\n\r\n');
  await using fixture = await proxyFor(upstream.url);
  const answer = await fixture.raw('GET /v1/http/api/x HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n');
  assert.ok(answer.endsWith('\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n1\r\nh\r\n0\r\n\r\n'), answer);
});
