// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json } from './testing/homeserver-stand-in.ts';
import { PRINCIPAL, ProxyFixture, TOKEN } from './testing/proxy-fixture.ts';

const ROOM = '!room:test.local';
const JSON_HEADERS = { 'content-type': 'application/json' };

test('before configure: health and calls answer 503, unknown paths 404', async () => {
  await using fixture = await ProxyFixture.start({ unconfigured: true });
  const health = await fixture.request('GET', '/healthz');
  assert.deepEqual([health.status, health.json], [503, { status: 'unconfigured' }]);
  for (const answer of [await fixture.request('GET', '/v1/identity'), await fixture.send(ROOM, { body: 'x' })]) {
    assert.deepEqual(
      [answer.status, answer.json['code'], answer.headers['content-type'], answer.headers['retry-after']],
      [503, 'not_configured', 'application/problem+json', '1'],
    );
  }
  assert.equal((await fixture.request('GET', '/nothing')).status, 404);
});

test('GET /v1/identity says who the caller is', async () => {
  await using fixture = await ProxyFixture.start();
  const answer = await fixture.request('GET', '/v1/identity');
  assert.deepEqual(
    [answer.status, answer.json],
    [200, { principal: PRINCIPAL, user_id: `@${PRINCIPAL}:test.local`, server_name: 'test.local', machine: 'machine/test' }],
  );
  assert.deepEqual((await fixture.request('GET', '/healthz')).json, { status: 'ok' });
  const head = await fixture.request('HEAD', '/v1/identity');
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', String(answer.text.length)]);
});

test('a message is sent with the key of the bundle and with nothing of the agent', async () => {
  await using fixture = await ProxyFixture.start();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const answer = await fixture.send(
    ROOM,
    { body: 'hello', transaction_id: 'tx.1' },
    { authorization: 'Bearer mine', cookie: 'a=b', 'x-api-key': 'k', traceparent, 'x-custom': 'c' },
  );
  assert.deepEqual([answer.status, answer.json], [200, { event_id: '$event-1' }]);
  const [seen] = fixture.homeserver.seen;
  assert.ok(seen);
  assert.equal(seen.method, 'PUT');
  assert.equal(seen.url, '/_matrix/client/v3/rooms/!room%3Atest.local/send/m.room.message/tx.1');
  assert.deepEqual(JSON.parse(seen.body), { msgtype: 'm.text', body: 'hello' });
  assert.equal(seen.headers.authorization, `Bearer ${TOKEN}`);
  assert.equal(seen.headers['traceparent'], traceparent);
  for (const name of ['cookie', 'x-api-key', 'x-custom']) assert.equal(seen.headers[name], undefined, name);
  const [line] = fixture.accessLines();
  assert.deepEqual(
    { ...line, time: 0, pid: 0, ms: 0 },
    {
      level: 'info',
      time: 0,
      pid: 0,
      name: 'proxy-test',
      principal: PRINCIPAL,
      service: 'matrix',
      method: 'POST',
      path: '/v1/matrix/rooms/{room}/messages',
      status: 200,
      ms: 0,
      bytes_in: 40,
      bytes_out: answer.text.length,
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      msg: 'request',
    },
  );
});

test('a transaction ID makes a message arrive once', async () => {
  await using fixture = await ProxyFixture.start();
  const first = await fixture.send(ROOM, { body: 'x', transaction_id: 'once' });
  const again = await fixture.send(ROOM, { body: 'x', transaction_id: 'once' });
  const other = await fixture.send(ROOM, { body: 'x' });
  assert.equal(first.json['event_id'], again.json['event_id']);
  assert.notEqual(first.json['event_id'], other.json['event_id']);
});

test('an alias is resolved once, and again after its room refused', async () => {
  await using fixture = await ProxyFixture.start();
  const { homeserver } = fixture;
  const alias = '#iree/amdgpu/general:test.local';
  homeserver.aliases.set(alias, ROOM);
  await fixture.send(alias, { body: 'one' });
  await fixture.send(alias, { body: 'two', msgtype: 'm.notice' });
  const directory = '/_matrix/client/v3/directory/room/%23iree%2Famdgpu%2Fgeneral%3Atest.local';
  assert.deepEqual(
    homeserver.seen.map((seen) => seen.url === directory),
    [true, false, false],
  );
  homeserver.script = (seen, response) => {
    if (seen.method !== 'PUT') return false;
    json(response, 403, { errcode: 'M_FORBIDDEN', error: 'User @probe/one:test.local not in room' });
    return true;
  };
  assert.equal((await fixture.send(alias, { body: 'three' })).json['code'], 'matrix_not_joined');
  homeserver.script = undefined;
  homeserver.seen.length = 0;
  await fixture.send(alias, { body: 'four' });
  assert.equal(homeserver.seen[0]?.url, directory);
});

test('errors of the homeserver become problems, never 401', async () => {
  await using fixture = await ProxyFixture.start();
  const cases = [
    {
      upstream: { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', error: 'gone' } },
      status: 502,
      code: 'credentials_rejected',
      says: /operator/,
    },
    {
      upstream: { status: 403, body: { errcode: 'M_FORBIDDEN', error: 'Power too low' } },
      status: 403,
      code: 'matrix_forbidden',
      says: /Power too low/,
    },
    {
      upstream: { status: 403, body: { errcode: 'M_FORBIDDEN', error: 'User @probe/one:test.local not in room !x' } },
      status: 403,
      code: 'matrix_not_joined',
      says: /invite/,
    },
    { upstream: { status: 404, body: { errcode: 'M_NOT_FOUND', error: 'no' } }, status: 404, code: 'matrix_not_found', says: /spelling/ },
    { upstream: { status: 413, body: { errcode: 'M_TOO_LARGE', error: 'no' } }, status: 413, code: 'message_too_large', says: /parts/ },
    { upstream: { status: 400, body: { errcode: 'M_BAD_JSON', error: 'no' } }, status: 400, code: 'matrix_refused', says: /M_BAD_JSON/ },
    { upstream: { status: 500, body: { errcode: 'M_UNKNOWN', error: 'Internal' } }, status: 502, code: 'upstream_failed', says: /500/ },
    { upstream: { status: 302, body: {} }, status: 502, code: 'upstream_malformed', says: /redirects/ },
    { upstream: { status: 200, body: { event_id: 5 } }, status: 502, code: 'upstream_malformed', says: /Matrix/ },
    { upstream: { status: 200, body: [] }, status: 502, code: 'upstream_malformed', says: /Matrix/ },
    { upstream: { status: 403, body: '<html>' }, status: 403, code: 'matrix_forbidden', says: /M_UNKNOWN/ },
  ];
  for (const { upstream, status, code, says } of cases) {
    fixture.homeserver.script = (_seen, response) => {
      json(response, upstream.status, upstream.body, { location: `${fixture.homeserver.url}/elsewhere` });
      return true;
    };
    fixture.homeserver.seen.length = 0;
    const answer = await fixture.send(ROOM, { body: 'x', transaction_id: 'mine' });
    assert.deepEqual([answer.status, answer.json['code']], [status, code], JSON.stringify(upstream));
    assert.match(String(answer.json['detail']), says);
    assert.equal(answer.json['transaction_id'], 'mine');
    assert.equal(fixture.homeserver.seen.length, 1, 'not followed, not tried again');
  }
});

test('a rate limit that does not fit the time of the queue is passed on with its pause', async () => {
  await using fixture = await ProxyFixture.start({ limits: { roomQueueMilliseconds: 1_000 } });
  fixture.homeserver.script = (_seen, response) => {
    json(response, 429, { errcode: 'M_LIMIT_EXCEEDED', error: 'Too Many Requests', retry_after_ms: 1_500 });
    return true;
  };
  const answer = await fixture.send(ROOM, { body: 'x' });
  assert.deepEqual(
    [answer.status, answer.headers['retry-after'], answer.json['retry_after_ms'], answer.json['code']],
    [429, '2', 1_500, 'matrix_rate_limited'],
  );
});

test('bodies: type, size, encoding, JSON and fields are checked before anything is sent', async () => {
  await using fixture = await ProxyFixture.start({ limits: { requestBodyBytes: 1_024, messageBytes: 600 } });
  const path = `/v1/matrix/rooms/${encodeURIComponent(ROOM)}/messages`;
  const cases: [number, string, unknown, string | Uint8Array, Record<string, string>][] = [
    [415, 'unsupported_media_type', undefined, '{}', { 'content-type': 'text/plain' }],
    [415, 'unsupported_media_type', undefined, '{}', {}],
    [415, 'unsupported_media_type', undefined, '{}', { 'content-type': 'application/json; charset=latin1' }],
    [415, 'unsupported_encoding', undefined, '{}', { ...JSON_HEADERS, 'content-encoding': 'gzip' }],
    [413, 'body_too_large', undefined, JSON.stringify({ body: 'x'.repeat(2_000) }), JSON_HEADERS],
    [413, 'message_too_large', undefined, JSON.stringify({ body: 'x'.repeat(700) }), JSON_HEADERS],
    [400, 'invalid_utf8', undefined, Buffer.from([0x22, 0xff, 0x22]), JSON_HEADERS],
    [400, 'invalid_json', undefined, '{"body":"x",}', JSON_HEADERS],
    [400, 'invalid_json', undefined, '\ufeff{"body":"x"}', JSON_HEADERS],
    [400, 'invalid_json', undefined, '', JSON_HEADERS],
    [400, 'invalid_field', '', '[]', JSON_HEADERS],
    [400, 'invalid_json', undefined, '['.repeat(1_000), JSON_HEADERS],
    [400, 'invalid_field', '', `${'['.repeat(500)}${']'.repeat(500)}`, JSON_HEADERS],
    [400, 'invalid_field', 'body', '{}', JSON_HEADERS],
    [400, 'invalid_field', 'body', '{"body":5}', JSON_HEADERS],
    [400, 'invalid_field', 'body', '{"body":""}', JSON_HEADERS],
    [400, 'invalid_field', 'body', '{"body":"\\ud800"}', JSON_HEADERS],
    [400, 'invalid_field', 'msgtype', '{"body":"x","msgtype":"m.image"}', JSON_HEADERS],
    [400, 'invalid_field', 'transaction_id', '{"body":"x","transaction_id":"a/b"}', JSON_HEADERS],
    [400, 'invalid_field', 'transaction_id', '{"body":"x","transaction_id":".."}', JSON_HEADERS],
    [400, 'invalid_field', 'transaction_id', JSON.stringify({ body: 'x', transaction_id: 'x'.repeat(65) }), JSON_HEADERS],
    [400, 'unknown_field', 'formatted', '{"body":"x","formatted":"y"}', JSON_HEADERS],
    [400, 'unknown_field', '__proto__', '{"body":"x","__proto__":{"msgtype":"m.image"}}', JSON_HEADERS],
    [400, 'unknown_field', 'constructor', '{"body":"x","constructor":1}', JSON_HEADERS],
  ];
  for (const [status, code, field, body, headers] of cases) {
    const answer = await fixture.request('POST', path, { headers, body });
    const shown = JSON.stringify([headers, Buffer.from(body).toString('latin1').slice(0, 80), answer.text]);
    assert.deepEqual([answer.status, answer.json['code'], answer.json['field']], [status, code, field], shown);
  }
  assert.equal(fixture.homeserver.seen.length, 0);
  assert.equal(
    (await fixture.request('POST', path, { headers: { 'content-type': 'Application/JSON; charset="UTF-8"' }, body: '{"body":"x"}' }))
      .status,
    200,
  );
});

test('paths and methods: only the written spelling is served', async () => {
  await using fixture = await ProxyFixture.start();
  const cases: [string, string, number, string][] = [
    ['GET', '/', 404, 'no_such_path'],
    ['GET', '/v1', 404, 'no_such_path'],
    ['GET', '/v1/identity/', 404, 'no_such_path'],
    ['GET', '/v1/matrix/rooms/!a:b/state/%2e%2e', 400, 'invalid_path'],
    ['GET', '/v1/matrix/rooms/!a:b/state/m.room.name?key=..', 400, 'invalid_path'],
    ['POST', '/v1/services/ticket/list', 404, 'no_such_service'],
    ['GET', '/v1/services/', 404, 'no_such_service'],
    ['GET', '//v1/identity', 404, 'no_such_path'],
    ['GET', '/v1/./identity', 404, 'no_such_path'],
    ['GET', '/v1/x/../identity', 404, 'no_such_path'],
    ['GET', '/v1/%69dentity', 404, 'no_such_path'],
    ['GET', '/v1%2fidentity', 404, 'no_such_path'],
    ['GET', '/V1/identity', 404, 'no_such_path'],
    ['GET', '/v1\\identity', 404, 'no_such_path'],
    ['GET', '/_synapse/admin/v1/server_version', 404, 'no_such_path'],
    ['GET', '/_matrix/client/v3/account/whoami', 404, 'no_such_path'],
    ['POST', '/v1/matrix/rooms//messages', 404, 'no_such_path'],
    ['GET', '/v1/identity?x=1', 400, 'invalid_query'],
    ['POST', '/v1/matrix/rooms/%zz/messages', 400, 'invalid_path'],
    ['POST', '/v1/matrix/rooms/%ff/messages', 400, 'invalid_path'],
    ['POST', '/v1/identity', 405, 'method_not_allowed'],
    ['TRACE', '/v1/identity', 405, 'method_not_allowed'],
    ['OPTIONS', '/v1/identity', 405, 'method_not_allowed'],
    ['DELETE', '/v1/matrix/rooms/x/messages', 405, 'method_not_allowed'],
    ['GET', 'http://example.org/v1/identity', 421, 'host_mismatch'],
    ['OPTIONS', '*', 400, 'invalid_target'],
  ];
  for (const [method, path, status, code] of cases) {
    const answer = await fixture.request(method, path);
    assert.deepEqual([answer.status, answer.json['code']], [status, code], `${method} ${path}`);
  }
  assert.equal((await fixture.request('DELETE', '/v1/identity')).headers.allow, 'GET, HEAD');
  for (const room of ['room', '@user:test.local', '!', '#x', '#../x:test.local', '!a b:c']) {
    const answer = await fixture.send(room, { body: 'x' });
    assert.deepEqual([answer.status, answer.json['code']], [400, 'invalid_room'], room);
  }
  assert.equal(fixture.homeserver.seen.length, 0);
});

test('a body where none belongs is refused and the connection closed', async () => {
  await using fixture = await ProxyFixture.start();
  const answer = await fixture.request('GET', '/v1/identity', { headers: { 'content-length': '2' }, body: '{}' });
  assert.deepEqual([answer.status, answer.json['code'], answer.headers.connection], [400, 'unexpected_body', 'close']);
});
