// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwardStand, localRule } from './testing/forward-stand.ts';
import { configureApi, proxyFor } from './testing/services.ts';
import { ProxyFixture } from './testing/proxy-fixture.ts';

const ROOM = '!room:test.local';

test('explain judges actions as calls are judged, by every name of a room, and its reasons are those that the agent is told', async () => {
  await using fixture = await ProxyFixture.start();
  await fixture.authorize({
    grants: [{ actions: ['matrix/*'], targets: ['**'] }],
    denials: [{ actions: ['matrix/send'], targets: ['#secret:test.local'] }],
  });
  const admin = await fixture.admin();
  fixture.homeserver.script = (request, response) => {
    if (!request.url?.endsWith('/aliases')) return false;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ aliases: ['#secret:test.local'] }));
    return true;
  };
  assert.deepEqual(await admin.call('explain', { subject: 'matrix/join', target: ROOM }), {
    allowed: true,
    code: null,
    rule: 'grants',
    reason: 'matrix/join is granted and no denial forbids it',
  });
  const told = await fixture.send(ROOM, { body: 'x' });
  const denied = await admin.call('explain', { subject: 'matrix/send', target: ROOM });
  assert.deepEqual([told.status, told.json['code'], told.json['rule']], [403, denied.code, denied.rule]);
  assert.equal(denied.rule, 'denials[0]');
  assert.equal(denied.reason, told.json['detail']);
  assert.equal(told.json['explain'], `bureau auth explain probe/one matrix/send '${ROOM}'`);
  assert.equal((await admin.call('explain', { subject: 'machine/reboot' })).allowed, false);
});

test('explain judges requests to upstreams, to hosts and to the API itself, and sends nothing', async () => {
  await using fixture = await proxyFor('http://127.0.0.1:9', { methods: ['GET'], paths: ['/ok/*'] });
  const admin = await fixture.admin();
  const ask = async (subject: string, target: string): Promise<unknown[]> => {
    const { allowed, code, rule } = await admin.call('explain', { subject, target });
    return [allowed, code, rule];
  };
  assert.deepEqual(await ask('GET', '/v1/http/api/ok/x'), [true, null, 'upstreams.api']);
  assert.deepEqual(await ask('POST', '/v1/http/api/ok/x'), [false, 'upstream_rule_refused', 'upstreams.api.methods']);
  assert.deepEqual(await ask('GET', '/v1/http/api/ok/..%2fx'), [false, 'upstream_path_ambiguous', 'upstreams.api.path']);
  assert.deepEqual(await ask('GET', '/v1/http/other/x'), [false, 'upstream_not_granted', null]);
  assert.deepEqual(await ask('GET', '/v1/identity'), [true, null, null]);
  assert.deepEqual(await ask('GET', '/v1/nothing'), [false, 'no_such_path', null]);
  assert.deepEqual(await ask('POST', '/v1/matrix/rooms/x/join'), [false, 'not_granted', 'grants']);
  const refused = await fixture.request('POST', '/v1/http/api/ok/x');
  assert.equal(refused.json['explain'], 'bureau auth explain probe/one POST /v1/http/api/ok/x');
  const awkward = await fixture.request('GET', `/v1/http/api/'$(id)'`);
  assert.equal(awkward.json['explain'], String.raw`bureau auth explain probe/one GET '/v1/http/api/'\''$(id)'\'''`, 'safe to paste');
  await configureApi(fixture, 'http://127.0.0.1:9');
  assert.deepEqual(await ask('POST', '/v1/http/api/ok/x'), [true, null, 'upstreams.api']);
});

test('explain judges hosts by their addresses of now', async () => {
  const names = { 'mirror.example': ['127.0.0.1'], 'meta.example': ['169.254.169.254'] };
  await using stand = await ForwardStand.start(names, [localRule('mirror.example', 8_080), { host: 'meta.example' }]);
  const admin = await stand.fixture.admin();
  const ask = (subject: string, target: string): Promise<{ allowed: boolean; code: string | null; rule: string | null; reason: string }> =>
    admin.call('explain', { subject, target });
  assert.deepEqual(await ask('CONNECT', 'mirror.example:8080'), {
    allowed: true,
    code: null,
    rule: 'egress[0]',
    reason: 'mirror.example:8080 is 127.0.0.1, allowed by egress[0]',
  });
  assert.equal((await ask('GET', 'http://mirror.example:8080/x')).allowed, true);
  assert.equal((await ask('CONNECT', 'meta.example:443')).code, 'egress_address_refused');
  const evil = await ask('CONNECT', 'evil.example:443');
  assert.deepEqual([evil.allowed, evil.code], [false, 'egress_host_refused']);
  const { head, socket } = await stand.tunnel('evil.example:443');
  assert.match(head, /403/);
  socket.destroy();
  assert.deepEqual(stand.lookedUp.includes('evil.example'), false);
});
