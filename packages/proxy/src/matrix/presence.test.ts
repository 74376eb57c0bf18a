// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuthorizationList } from '@bureau/protocol';
import type { HttpAnswer, ProxyFixture } from '../testing/proxy-fixture.ts';
import { SynapseFixture, type TestUser } from '../testing/synapse-fixture.ts';

const JSON_HEADERS = { 'content-type': 'application/json' };
const ALL: AuthorizationList = { grants: [{ actions: ['**'], targets: ['**'] }], denials: [] };

const say = (proxy: ProxyFixture, body: object): Promise<HttpAnswer> =>
  proxy.request('POST', '/v1/matrix/presence', { headers: JSON_HEADERS, body: JSON.stringify(body) });
const ask = (proxy: ProxyFixture, user?: string): Promise<HttpAnswer> =>
  proxy.request('GET', `/v1/matrix/presence${user === undefined ? '' : `?user=${encodeURIComponent(user)}`}`);
const told = ({ status, json }: HttpAnswer): unknown[] => [status, json['code'] ?? json['presence'], json['status_msg'] ?? null];

describe('presence over a homeserver that keeps it', () => {
  let synapse: SynapseFixture;
  let operator: TestUser;
  let stranger: TestUser;
  let agent: TestUser;
  let proxy: ProxyFixture;
  const ended = new AsyncDisposableStack();

  before(async () => {
    synapse = ended.use(await SynapseFixture.start(264_137, { presence: true }));
    operator = await synapse.user('bureau-admin');
    stranger = await synapse.user('stranger');
    agent = await synapse.user('probe/one');
    proxy = ended.use(await synapse.proxyOf(agent));
    const { room_id: room } = await operator.call('POST', 'createRoom', { preset: 'private_chat', invite: [agent.userId] });
    await agent.call('POST', `join/${encodeURIComponent(String(room))}`, {});
  });
  after(() => ended.disposeAsync());

  test('said by the principal, seen by who shares a room, and the other way round', async () => {
    await proxy.authorize(ALL);
    assert.deepEqual(told(await say(proxy, { presence: 'online', status_msg: 'reads §4' })), [200, 'online', 'reads §4']);
    const seen = await operator.call('GET', `presence/${encodeURIComponent(agent.userId)}/status`);
    assert.deepEqual([seen['presence'], seen['status_msg']], ['online', 'reads §4']);
    const own = await ask(proxy);
    assert.deepEqual(told(own), [200, 'online', 'reads §4']);
    assert.equal(typeof own.json['last_active_ago'], 'number');
    assert.equal(own.json['currently_active'], true);
    assert.deepEqual(told(await say(proxy, { presence: 'unavailable' })), [200, 'unavailable', null]);
    assert.deepEqual(told(await say(proxy, { presence: 'offline' })), [200, 'offline', null]);
    await operator.call('PUT', `presence/${encodeURIComponent(operator.userId)}/status`, { presence: 'unavailable', status_msg: 'lunch' });
    assert.deepEqual(told(await ask(proxy, operator.userId)), [200, 'unavailable', 'lunch']);
    for (const [query, name] of [
      ['', 'probe/one'],
      [`?user=${encodeURIComponent(operator.userId)}`, 'bureau-admin'],
    ])
      assert.deepEqual((await proxy.request('GET', `/v1/matrix/display-name${query}`)).json, { display_name: name });
  });

  test('an account that never said anything is offline, not disabled; a stranger is refused', async () => {
    await proxy.authorize(ALL);
    const silent = await synapse.user('probe/silent');
    await using other = await synapse.proxyOf(silent);
    assert.deepEqual((await ask(other)).json, { presence: 'offline', status_msg: null, last_active_ago: null, currently_active: null });
    assert.deepEqual(told(await ask(proxy, stranger.userId)).slice(0, 2), [403, 'matrix_forbidden']);
  });

  test('only for itself, and only with the grant; a denial by user holds for display names and profiles too', async () => {
    await proxy.authorize({ grants: [{ actions: ['matrix/read', 'matrix/send'], targets: ['**'] }], denials: [] });
    const refused = await say(proxy, { presence: 'online' });
    assert.deepEqual([refused.status, refused.json['code'], refused.json['action']], [403, 'not_granted', 'matrix/presence']);
    await proxy.authorize(ALL);
    for (const body of [
      { presence: 'online', user_id: operator.userId },
      { presence: 'online', user: operator.userId },
      { presence: 'busy' },
      { status_msg: 'x' },
      { presence: 'online', status_msg: 'x'.repeat(256) },
      { presence: 'online', status_msg: '\ud800' },
    ])
      assert.equal((await say(proxy, body)).status, 400, JSON.stringify(body));
    assert.equal((await proxy.request('POST', `/v1/matrix/presence?user=${encodeURIComponent(operator.userId)}`)).status, 400);
    assert.equal((await ask(proxy, 'nobody')).status, 400);
    await proxy.authorize({ grants: ALL.grants, denials: [{ actions: ['matrix/read'], targets: ['bureau-admin'] }] });
    const user = encodeURIComponent(operator.userId);
    for (const path of [`presence?user=${user}`, `display-name?user=${user}`, `users/${user}/profile`]) {
      const { status, json } = await proxy.request('GET', `/v1/matrix/${path}`);
      assert.deepEqual([status, json['code'], json['rule']], [403, 'not_granted', 'denials[0]'], path);
    }
    // Control: the same of somebody else.
    assert.deepEqual((await proxy.request('GET', '/v1/matrix/display-name')).json, { display_name: 'probe/one' });
    assert.equal((await ask(proxy)).status, 200);
  });
});

test('a homeserver that keeps none, as the stand’s: said by a code of its own, never "offline"', async () => {
  await using synapse = await SynapseFixture.start(264_138);
  const agent = await synapse.user('probe/one');
  await using proxy = await synapse.proxyOf(agent);
  await proxy.authorize(ALL);
  for (const answer of [await ask(proxy), await ask(proxy, '@other:bureau.test'), await say(proxy, { presence: 'offline' })])
    assert.deepEqual(told(answer).slice(0, 2), [404, 'presence_disabled']);
  const { status, json } = await say(proxy, { presence: 'online', status_msg: 'here' });
  assert.deepEqual([status, json['code'], json['type']], [404, 'presence_disabled', 'urn:bureau:problem:presence_disabled']);
  // Control: the homeserver itself says that all is well.
  const own = encodeURIComponent(agent.userId);
  assert.deepEqual(await agent.call('PUT', `presence/${own}/status`, { presence: 'online' }), {});
  assert.deepEqual(await agent.call('GET', `presence/${own}/status`), { presence: 'offline' });
});
