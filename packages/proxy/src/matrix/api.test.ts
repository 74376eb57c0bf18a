// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuthorizationList } from '@bureau/protocol';
import { EventReader, SynapseFixture, type TestUser } from '../testing/synapse-fixture.ts';
import type { HttpAnswer, ProxyFixture } from '../testing/proxy-fixture.ts';

const ALL: AuthorizationList = { grants: [{ actions: ['**'], targets: ['**'] }], denials: [] };
const JSON_HEADERS = { 'content-type': 'application/json' };

describe('the Matrix API over a real homeserver', () => {
  let synapse: SynapseFixture;
  let operator: TestUser;
  let agent: TestUser;
  let proxy: ProxyFixture;
  let room: string;
  const ended = new AsyncDisposableStack();

  before(async () => {
    synapse = ended.use(await SynapseFixture.start(264_131));
    operator = await synapse.user('bureau-admin');
    agent = await synapse.user('probe/one');
    proxy = ended.use(await synapse.proxyOf(agent));
    const made = await operator.call('POST', 'createRoom', {
      preset: 'private_chat',
      room_alias_name: 'iree/general',
      name: 'General',
      invite: [agent.userId],
      power_level_content_override: { state_default: 50, events: { 'm.bureau.note': 0 }, users: { [operator.userId]: 100 } },
      room_version: '11',
    });
    room = String(made['room_id']);
    await agent.call('POST', `join/${encodeURIComponent(room)}`, {});
  });
  after(() => ended.disposeAsync());

  const at = (text: string): string => `/v1/matrix/rooms/${encodeURIComponent(text)}`;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> =>
    proxy.request('POST', path, { headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) });
  const authorize = (list: AuthorizationList): Promise<unknown> => proxy.authorize(list);

  test('account, rooms, members, alias and profile', async () => {
    await authorize(ALL);
    assert.deepEqual((await proxy.request('GET', '/v1/matrix/account')).json, { user_id: agent.userId, device_id: 'TEST' });
    const rooms = await proxy.request('GET', '/v1/matrix/rooms');
    assert.deepEqual(rooms.json, { rooms: [{ room_id: room, name: 'General', alias: '#iree/general:bureau.test' }] });
    const members = (await proxy.request('GET', `${at('#iree/general:bureau.test')}/members`)).json['members'] as object[];
    assert.equal(members.length, 2);
    const alias = await proxy.request('GET', `/v1/matrix/aliases/${encodeURIComponent('#iree/general:bureau.test')}`);
    assert.deepEqual(alias.json, { room_id: room });
    const unknown = await proxy.request('GET', `/v1/matrix/aliases/${encodeURIComponent('#no/such:bureau.test')}`);
    assert.deepEqual([unknown.status, unknown.json['code']], [404, 'matrix_not_found']);
    const profile = await proxy.request('GET', `/v1/matrix/users/${encodeURIComponent(agent.userId)}/profile`);
    assert.deepEqual(profile.json, { display_name: 'probe/one', avatar_url: null });
  });

  test('messages: an idempotency key sends once, threads and answers are where they belong, pages go on', async () => {
    await authorize(ALL);
    const key = { 'idempotency-key': 'once.1' };
    const root = String((await post(`${at(room)}/messages`, { body: 'root' }, key)).json['event_id']);
    assert.equal((await post(`${at(room)}/messages`, { body: 'root' }, key)).json['event_id'], root);
    const clash = await post(`${at(room)}/messages`, { body: 'root', transaction_id: 'other' }, key);
    assert.deepEqual([clash.status, clash.json['code']], [400, 'transaction_mismatch']);
    for (const body of ['one', 'two']) assert.equal((await post(`${at(room)}/messages`, { body, thread: root })).status, 200);
    const answer = await post(`${at(room)}/messages`, {
      body: 'see',
      formatted_body: '<b>see</b>',
      reply_to: root,
      mentions: [operator.userId],
    });
    assert.equal(answer.status, 200, answer.text);

    const thread = await proxy.request('GET', `${at(room)}/threads/${encodeURIComponent(root)}/messages?dir=f`);
    assert.deepEqual(bodies(thread), ['one', 'two']);
    const first = await proxy.request('GET', `${at(room)}/messages?limit=2`);
    assert.deepEqual(bodies(first), ['see', 'two']);
    const second = await proxy.request('GET', `${at(room)}/messages?limit=2&from=${encodeURIComponent(String(first.json['next']))}`);
    assert.deepEqual(bodies(second), ['one', 'root']);
    const [seen] = first.json['events'] as { content: Record<string, unknown> }[];
    assert.deepEqual(
      [seen?.content['format'], seen?.content['m.relates_to'], seen?.content['m.mentions']],
      ['org.matrix.custom.html', { 'm.in_reply_to': { event_id: root } }, { user_ids: [operator.userId] }],
    );
    for (const query of ['limit=0', 'limit=251', 'limit=x', 'dir=up', 'from=%00', 'x=1', 'limit=1&limit=2', 'from=%zz']) {
      assert.equal((await proxy.request('GET', `${at(room)}/messages?${query}`)).status, 400, query);
    }
  });

  test('state: read one and all, write what the power level allows, and only with the grant', async () => {
    await authorize(ALL);
    const written = await proxy.request('PUT', `${at(room)}/state/m.bureau.note?key=a%2Fb`, { headers: JSON_HEADERS, body: '{"n":1}' });
    assert.equal(written.status, 200, written.text);
    assert.deepEqual((await proxy.request('GET', `${at(room)}/state/m.bureau.note?key=a%2Fb`)).json, { content: { n: 1 } });
    assert.deepEqual((await proxy.request('GET', `${at(room)}/state/m.room.name`)).json, { content: { name: 'General' } });
    assert.equal((await proxy.request('GET', `${at(room)}/state/m.bureau.note`)).status, 404);
    assert.ok(((await proxy.request('GET', `${at(room)}/state`)).json['events'] as object[]).length > 5);
    const low = await proxy.request('PUT', `${at(room)}/state/m.room.name`, { headers: JSON_HEADERS, body: '{"name":"mine"}' });
    assert.deepEqual([low.status, low.json['code']], [403, 'matrix_forbidden']);
    await authorize({ grants: [{ actions: ['matrix/read', 'matrix/send'], targets: ['**'] }], denials: [] });
    const refused = await proxy.request('PUT', `${at(room)}/state/m.bureau.note`, { headers: JSON_HEADERS, body: '{}' });
    assert.deepEqual([refused.status, refused.json['code'], refused.json['rule']], [403, 'not_granted', 'grants']);
  });

  test('rooms of its own: create, invite, leave; joining needs the grant', async () => {
    await authorize(ALL);
    const made = await post('/v1/matrix/rooms', { name: 'Mine', topic: 'about', invite: [operator.userId] });
    assert.equal(made.status, 200, made.text);
    const mine = String(made.json['room_id']);
    const rules = await operator.call('GET', 'sync?timeout=0');
    assert.ok(JSON.stringify(rules).includes(mine), 'invited');
    assert.equal((await post(`${at(mine)}/leave`, {})).status, 400, 'leave takes no body');
    assert.equal((await proxy.request('POST', `${at(mine)}/leave`)).status, 200);
    const other = String(
      (
        await operator.call('POST', 'createRoom', {
          preset: 'private_chat',
          invite: [agent.userId],
          power_level_content_override: { invite: 50 },
        })
      )['room_id'],
    );
    await authorize({ grants: [{ actions: ['**'], targets: ['iree/**'] }], denials: [] });
    assert.equal((await proxy.request('POST', `${at(other)}/join`)).json['code'], 'not_granted');
    await authorize(ALL);
    assert.equal((await proxy.request('POST', `${at(other)}/join`)).status, 200);
    const invited = await post(`${at(other)}/invite`, { user_id: '@nobody:bureau.test' });
    assert.equal(invited.status, 403, 'the homeserver has the last word');
    assert.equal((await proxy.request('POST', `${at(other)}/leave`)).status, 200);
  });

  test('a denial by alias holds however the room is named, also in lists, sync and the raw API', async () => {
    await authorize({ grants: ALL.grants, denials: [{ actions: ['**'], targets: ['iree/*'] }] });
    for (const name of [room, '#iree/general:bureau.test']) {
      const sent = await post(`${at(name)}/messages`, { body: 'x' });
      assert.deepEqual([sent.status, sent.json['code'], sent.json['rule']], [403, 'not_granted', 'denials[0]'], name);
    }
    assert.deepEqual((await proxy.request('GET', '/v1/matrix/rooms')).json, { rooms: [] });
    assert.deepEqual((await proxy.request('GET', '/v1/matrix/sync?timeout=0')).json['rooms'], []);
    const raw = await proxy.request('GET', `/v1/matrix/raw/_matrix/client/v3/rooms/${encodeURIComponent(room)}/members`);
    assert.equal(raw.json['code'], 'not_granted');
    assert.equal((await proxy.request('GET', '/v1/matrix/raw/_matrix/client/v3/sync?timeout=0')).json['code'], 'not_granted');
    // Positive control: the same calls without the denial.
    await authorize(ALL);
    assert.equal((await post(`${at(room)}/messages`, { body: 'x' })).status, 200);
    assert.equal(((await proxy.request('GET', '/v1/matrix/sync?timeout=0')).json['rooms'] as object[]).length, 1);
  });

  test('the raw API: off until granted, by allow-list, without a way around a grant', async () => {
    const raw = '/v1/matrix/raw/_matrix/client/v3';
    await authorize({ grants: [{ actions: ['matrix/read', 'matrix/send'], targets: ['**'] }], denials: [] });
    assert.equal((await proxy.request('GET', `${raw}/joined_rooms`)).json['code'], 'not_granted');
    await authorize({ grants: [{ actions: ['matrix/read', 'matrix/send', 'matrix/raw-api'], targets: ['**'] }], denials: [] });
    assert.deepEqual((await proxy.request('GET', `${raw}/joined_rooms`)).json, { joined_rooms: [room] });
    assert.deepEqual((await proxy.request('GET', `${raw}/account/whoami?access_token=other&user_id=@x:y`)).json['user_id'], agent.userId);
    const sent = await proxy.request('PUT', `${raw}/rooms/${encodeURIComponent(room)}/send/m.room.message/t1`, {
      headers: JSON_HEADERS,
      body: '{"msgtype":"m.text","body":"raw"}',
    });
    assert.match(String(sent.json['event_id']), /^\$/);
    const state = await proxy.request('PUT', `${raw}/rooms/${encodeURIComponent(room)}/state/m.bureau.note/`, {
      headers: JSON_HEADERS,
      body: '{}',
    });
    assert.deepEqual([state.status, state.json['action']], [403, 'matrix/state']);
    for (const path of [
      'logout',
      'account/password',
      'devices',
      'publicRooms',
      'user_directory/search',
      'pushers',
      'createRoom',
      'keys/query',
    ]) {
      assert.equal((await proxy.request('GET', `${raw}/${path}`)).json['code'], 'no_such_path', path);
    }
    assert.equal((await proxy.request('GET', '/v1/matrix/raw/_synapse/admin/v1/server_version')).status, 404);
  });

  test('without a grant to read anything there is no list, no sync and no stream: invitations are not told either', async () => {
    for (const list of [
      { grants: [], denials: [] },
      { grants: [{ actions: ['matrix/send'], targets: ['**'] }], denials: [] },
      { grants: ALL.grants, denials: [{ actions: ['matrix/read'], targets: ['**'] }] },
    ]) {
      await authorize(list);
      for (const path of ['rooms', 'sync?timeout=0', 'events']) {
        const { status, json } = await proxy.request('GET', `/v1/matrix/${path}`);
        assert.deepEqual([status, json['code'], json['action']], [403, 'not_granted', 'matrix/read'], path);
      }
    }
    // Control: one room that may be read is enough to ask.
    await authorize({ grants: [{ actions: ['matrix/read'], targets: [room] }], denials: [] });
    for (const path of ['rooms', 'sync?timeout=0']) assert.equal((await proxy.request('GET', `/v1/matrix/${path}`)).status, 200, path);
  });

  test('the stream: says what happens, resumes where it broke, outlives a rotation', async () => {
    await authorize(ALL);
    let last: string;
    {
      await using events = await EventReader.open(proxy.agentPath);
      await events.next(({ event }) => event === 'ready');
      await operator.call('PUT', `rooms/${encodeURIComponent(room)}/send/m.room.message/s1`, { msgtype: 'm.text', body: 'first' });
      const first = await events.next(({ event, data }) => event === 'timeline' && bodyOf(data) === 'first');
      assert.deepEqual([first.data['room_id'], first.id], [room, undefined]);
      last = (await events.next(({ event }) => event === 'sync')).id ?? '';
      await proxy.configure({ ...proxy.bundle, header: { ...proxy.bundle.header, note: 'rotated' } });
      await operator.call('PUT', `rooms/${encodeURIComponent(room)}/send/m.room.message/s2`, { msgtype: 'm.text', body: 'after rotation' });
      await events.next(({ event, data }) => event === 'timeline' && bodyOf(data) === 'after rotation');
    }
    await operator.call('PUT', `rooms/${encodeURIComponent(room)}/send/m.room.message/s3`, { msgtype: 'm.text', body: 'while away' });
    await using again = await EventReader.open(proxy.agentPath, { lastEventId: last });
    await again.next(({ event, data }) => event === 'timeline' && bodyOf(data) === 'after rotation');
    await again.next(({ event, data }) => event === 'timeline' && bodyOf(data) === 'while away');
    const invitation = await operator.call('POST', 'createRoom', { preset: 'private_chat', invite: [agent.userId] });
    const invited = await again.next(({ event }) => event === 'invite');
    assert.deepEqual(invited.data, { room_id: invitation['room_id'], inviter: operator.userId });
  });

  test('the stream: a denial that comes while it runs holds for what comes after it', async () => {
    await authorize(ALL);
    await using events = await EventReader.open(proxy.agentPath);
    await events.next(({ event }) => event === 'ready');
    const say = (body: string, transaction: string): Promise<unknown> =>
      operator.call('PUT', `rooms/${encodeURIComponent(room)}/send/m.room.message/${transaction}`, { msgtype: 'm.text', body });
    await say('before the denial', 'd1');
    await events.next(({ event, data }) => event === 'timeline' && bodyOf(data) === 'before the denial');
    await events.next(({ event }) => event === 'sync');
    await authorize({ ...ALL, denials: [{ actions: ['matrix/read'], targets: [room] }] });
    await say('behind the denial', 'd2');
    const next = await events.next(({ event }) => event === 'timeline' || event === 'sync');
    assert.equal(next.event, 'sync', 'the batch has nothing that may be told');
    await authorize(ALL);
    await say('when it is lifted', 'd3');
    const after = await events.next(({ event }) => event === 'timeline');
    assert.equal(bodyOf(after.data), 'when it is lifted');
  });

  test('the stream: a key that was revoked ends it with the reason', async () => {
    const short = await synapse.user('probe/short');
    await using other = await synapse.proxyOf(short);
    await using events = await EventReader.open(other.agentPath);
    await events.next(({ event }) => event === 'ready');
    await short.call('POST', 'logout', {});
    const end = await events.next(({ event }) => event === 'end');
    assert.equal(end.data['code'], 'credentials_rejected');
    const after = await other.request('GET', '/v1/matrix/account');
    assert.deepEqual([after.status, after.json['code']], [502, 'credentials_rejected']);
  });

  test('GET /v1/openapi.json describes every route', async () => {
    const { json } = await proxy.request('GET', '/v1/openapi.json');
    const paths = json['paths'] as Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>;
    assert.equal(json['openapi'], '3.1.1');
    assert.deepEqual(Object.keys(paths['/v1/matrix/rooms/{room}/messages'] ?? {}).toSorted(), ['get', 'post']);
    const page = paths['/v1/matrix/rooms/{room}/messages']?.['get'];
    assert.deepEqual(
      page?.parameters.map((one) => `${one.in} ${one.name}`),
      ['path room', 'query from', 'query dir', 'query limit'],
    );
    const ids = Object.values(paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId));
    assert.equal(new Set(ids).size, ids.length, 'names of operations are unique');
    assert.ok(ids.length >= 40);
    assert.equal(JSON.stringify(json).includes(agent.token), false);
  });
});

function bodies(answer: HttpAnswer): unknown[] {
  const events = (answer.json['events'] ?? []) as { type: string; content: { body?: string } }[];
  return events.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body);
}

function bodyOf(data: Record<string, unknown>): unknown {
  return (data['event'] as { content?: { body?: unknown } } | undefined)?.content?.body;
}
