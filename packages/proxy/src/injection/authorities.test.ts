// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { configureApi, headersOf, proxyFor } from '../testing/services.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';
import { placeholderFor } from './placeholder.ts';

/** A token endpoint that counts, and gives what it is told to. */
async function tokenServer(): Promise<{ server: UpstreamStandIn; answer: { status: number; body: object } }> {
  const server = await UpstreamStandIn.start();
  const answer = { status: 200, body: {} as object };
  server.answer = ({ socket }) => {
    const text = JSON.stringify(answer.body);
    setTimeout(
      () => socket.write(`HTTP/1.1 ${answer.status} x\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`),
      20,
    );
  };
  return { server, answer };
}

function authorizations(upstream: UpstreamStandIn): (string | undefined)[] {
  return upstream.seen.map((seen) => headersOf(seen).find(([name]) => name === 'authorization')?.[1]);
}

test('OAuth 2.0 client credentials: one request for many calls, the token on each, and never the secret to the upstream', async () => {
  await using upstream = await UpstreamStandIn.start();
  const { server, answer } = await tokenServer();
  await using _server = server;
  answer.body = { access_token: 'token-number-1', token_type: 'Bearer', expires_in: 3600 };
  const auth = {
    kind: 'oauth2',
    grant: 'client_credentials',
    token_url: `${server.url}/token`,
    client_id: 'me',
    client_secret: 'CLIENT',
    scope: 'a b',
  };
  await using fixture = await proxyFor('http://127.0.0.1:1');
  await configureApi(fixture, upstream.url, { inject: [], auth }, { CLIENT: 'client-secret-1' });
  const answers = await Promise.all(Array.from({ length: 20 }, () => fixture.request('GET', '/v1/http/api/x')));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(server.seen.length, 1);
  assert.ok(server.seen[0]?.endsWith('grant_type=client_credentials&scope=a+b'), server.seen[0]);
  assert.ok(server.seen[0]?.includes(`authorization: Basic ${Buffer.from('me:client-secret-1').toString('base64')}\r\n`));
  assert.deepEqual(new Set(authorizations(upstream)), new Set(['Bearer token-number-1']));
  assert.ok(!upstream.seen.join('').includes('client-secret-1') && !fixture.log().includes('token-number-1'));
});

test('OAuth 2.0: a token that the upstream refuses is replaced before the next call, with the refresh token that the server gave', async () => {
  await using upstream = await UpstreamStandIn.start();
  const { server, answer } = await tokenServer();
  await using _server = server;
  const auth = { kind: 'oauth2', grant: 'refresh_token', token_url: `${server.url}/token`, client_id: 'me', refresh_token: 'REFRESH' };
  answer.body = { access_token: 'token-number-1', token_type: 'bearer', expires_in: 3600, refresh_token: 'second refresh' };
  await using fixture = await proxyFor('http://127.0.0.1:1');
  await configureApi(fixture, upstream.url, { inject: [], auth }, { REFRESH: 'first-refresh' });
  upstream.answer = ({ socket, head }) =>
    socket.write(
      head.includes('token-number-1') ? 'HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n' : 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    );
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).status, 401, 'passed on as it came');
  answer.body = { access_token: 'token-number-2', token_type: 'bearer', expires_in: 3600 };
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).status, 200);
  assert.deepEqual(authorizations(upstream), ['Bearer token-number-1', 'Bearer token-number-2']);
  assert.ok(
    server.seen[0]?.includes('refresh_token=first-refresh') && server.seen[1]?.includes('refresh_token=second+refresh'),
    server.seen.join(),
  );
});

test('OAuth 2.0 fails closed: nothing goes out without a token, and the reason is one word of the server', async () => {
  await using upstream = await UpstreamStandIn.start();
  const { server, answer } = await tokenServer();
  await using _server = server;
  const auth = { kind: 'oauth2', grant: 'refresh_token', token_url: `${server.url}/token`, client_id: 'me', refresh_token: 'REFRESH' };
  Object.assign(answer, { status: 400, body: { error: 'invalid_grant', error_description: 'first-refresh is spent' } });
  await using fixture = await proxyFor('http://127.0.0.1:1');
  await configureApi(fixture, upstream.url, { inject: [], auth }, { REFRESH: 'first-refresh' });
  for (let round = 0; round < 3; round += 1) {
    const refused = await fixture.request('GET', '/v1/http/api/x');
    assert.deepEqual([refused.status, refused.json['code'], refused.json['reason']], [502, 'oauth_refused', 'invalid_grant']);
    assert.ok(!refused.text.includes('first-refresh') && !fixture.log().includes('first-refresh'));
  }
  assert.equal(server.seen.length, 1, 'a loop of calls is no loop at the token server');
  assert.equal(upstream.seen.length, 0);
  await configureApi(
    fixture,
    upstream.url,
    { inject: [], auth: { ...auth, token_url: 'http://127.0.0.1:1/' } },
    { REFRESH: 'first-refresh' },
  );
  assert.equal((await fixture.request('GET', '/v1/http/api/x')).status, 502);
  assert.equal(upstream.seen.length, 0);
});

test('SigV4: what was signed with a placeholder goes out signed with the key, its body hashed; chunk signatures are refused', async () => {
  await using upstream = await UpstreamStandIn.start();
  const auth = {
    kind: 'sigv4',
    region: 'eu-west-1',
    service: 'bedrock',
    access_key: 'AWS_ID',
    secret_key: 'AWS_KEY',
    session_token: 'AWS_SESSION',
  };
  await using fixture = await proxyFor('http://127.0.0.1:1');
  await configureApi(
    fixture,
    upstream.url,
    { inject: [], auth },
    { AWS_ID: 'AKIDEXAMPLE', AWS_KEY: 'aws-secret-key-1', AWS_SESSION: 'aws-session-token-1' },
  );
  const headers = {
    authorization: 'AWS4-HMAC-SHA256 Credential=AKIAPLACEHOLDER',
    'x-amz-date': '20000101T000000Z',
    'x-amz-target': 'T',
    'content-type': 'a/b',
  };
  assert.equal((await fixture.request('POST', '/v1/http/api/model?b=2&a=1', { body: 'hello', headers })).status, 200);
  const sent = new Map(headersOf(upstream.seen[0] ?? ''));
  assert.match(
    sent.get('authorization') ?? '',
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/bedrock\/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$/,
  );
  assert.equal(sent.get('x-amz-content-sha256'), createHash('sha256').update('hello').digest('hex'));
  assert.notEqual(sent.get('x-amz-date'), '20000101T000000Z');
  assert.ok(upstream.seen[0]?.endsWith('\r\n\r\nhello') && !upstream.seen[0].includes('aws-secret-key-1'));
  const chunks = await fixture.request('PUT', '/v1/http/api/x', {
    body: 'x',
    headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
  });
  assert.deepEqual([chunks.status, chunks.json['code'], upstream.seen.length], [400, 'signature_in_chunks', 1]);
});

test('a placeholder has the right shape, serves where it was given out, and is refused and recorded anywhere else', async () => {
  await using upstream = await UpstreamStandIn.start();
  await using fixture = await proxyFor(upstream.url, { placeholder: 'github' });
  const list = (await fixture.request('GET', '/v1/services')).json['services'] as { name: string; placeholder: string | null }[];
  const own = list.find(({ name }) => name === 'api')?.placeholder ?? '';
  assert.match(own, /^ghp_[A-Za-z0-9]{36}$/);
  assert.equal((await fixture.request('GET', '/v1/http/api/x', { headers: { authorization: `token ${own}` } })).status, 200);
  assert.ok(!(upstream.seen[0] ?? '').includes(own), 'it goes nowhere');
  const foreign = [
    placeholderFor('probe/two', 'api', 'github'),
    placeholderFor('probe/one', 'other', 'anthropic'),
    placeholderFor('probe/two', 'api', 'aws'),
  ];
  for (const [index, token] of foreign.entries()) {
    const answer = await fixture.request('GET', `/v1/http/api/x${index === 2 ? `?key=${token}` : ''}`, {
      headers: index === 2 ? {} : { 'x-anything': `a ${token}` },
    });
    assert.deepEqual([answer.status, answer.json['code']], [403, 'placeholder_misused']);
  }
  assert.equal(upstream.seen.length, 1);
  assert.equal(fixture.log().match(/"what":"proxy\.placeholder"/g)?.length, 3);
});
