// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyFixture } from '../testing/proxy-fixture.ts';
import { KEY } from '../testing/services.ts';
import { EventReader, SynapseFixture } from '../testing/synapse-fixture.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';

/** Gives the proxy an upstream `api` whose answers are told to this room, beside the homeserver that it has. */
async function configure(proxy: ProxyFixture, token: string, url: string, homeserver: string, userId: string, room: string): Promise<void> {
  const matrix = { url: homeserver, inject: [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }] };
  const event_content = {
    msgtype: 'm.notice',
    body: '${agent} opened ${response.url}: @room bureau-admin ${response.title}',
    deep: '${response.deep}',
  };
  const rule = { path_pattern: '/pulls', room, event_type: 'm.room.message', event_content };
  const api = { url, inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }], response_interceptors: [rule] };
  const secrets = { MATRIX_TOKEN: Buffer.from(token), API_KEY: Buffer.from(KEY) };
  await proxy.configure({ header: { user_id: userId, upstreams: { matrix, api } }, secrets });
}

test('a real homeserver takes the event from the own account, by ID and by alias, and tells nobody to look', async () => {
  await using synapse = await SynapseFixture.start(264_139);
  const operator = await synapse.user('bureau-admin');
  const agent = await synapse.user('probe/one');
  await using proxy = await synapse.proxyOf(agent);
  await using upstream = await UpstreamStandIn.start();
  const made = await operator.call('POST', 'createRoom', { preset: 'private_chat', room_alias_name: 'iree/pulls', invite: [agent.userId] });
  const room = String(made['room_id']);
  const title = 'a \ud800 half, \u0000 and a fraction';
  const body = JSON.stringify({ url: 'https://x/7', title, deep: { ratio: 0.5, large: 2 ** 60, key: KEY, 'm.mentions': { room: true } } });
  upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 201 Created\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const stats = async (): Promise<readonly [sent: number, failed: number]> => {
    const { eventsSent, eventsFailed } = await (await proxy.admin()).call('stats', {});
    return [eventsSent, eventsFailed];
  };
  const counted = async (sent: number, failed: number): Promise<void> => {
    const until = Date.now() + 30_000;
    while ((await stats()).reduce((sum, count) => sum + count) < sent + failed && Date.now() < until) await proxy.silence(20);
    assert.deepEqual(await stats(), [sent, failed], proxy.log());
  };

  await configure(proxy, agent.token, upstream.url, synapse.url, agent.userId, room);
  assert.equal((await proxy.request('POST', '/v1/http/api/pulls')).status, 201);
  await counted(0, 1);
  assert.equal(proxy.accessLines().at(-1)?.['code'], 'matrix_not_joined', 'it is not in the room yet');

  await agent.call('POST', `join/${encodeURIComponent(room)}`, {});
  await using events = await EventReader.open(proxy.agentPath);
  await events.next(({ event }) => event === 'ready');
  for (const [index, named] of [room, '#iree/pulls:bureau.test'].entries()) {
    await configure(proxy, agent.token, upstream.url, synapse.url, agent.userId, named);
    assert.equal((await proxy.request('POST', '/v1/http/api/pulls')).status, 201);
    await counted(index + 1, 1);
    const { data } = await events.next(
      ({ event, data: said }) => event === 'timeline' && (said['event'] as { type?: string }).type === 'm.room.message',
    );
    const event = data['event'] as { sender: string; content: Record<string, unknown> };
    assert.equal(event.sender, agent.userId);
    assert.deepEqual(event.content, {
      msgtype: 'm.notice',
      body: 'probe/one opened https://x/7: @room bureau-admin a \ufffd half, \u0000 and a fraction',
      deep: { ratio: '0.5', large: String(2 ** 60), key: '*'.repeat(KEY.length), 'm.mentions': { room: true } },
      'm.mentions': {},
    });
  }
  const notified = async (): Promise<unknown[]> =>
    (await operator.call('GET', 'notifications?only=highlight'))['notifications'] as unknown[];
  assert.deepEqual(await notified(), []);
  // Control: the same words in a message that does not say whom it mentions.
  await agent.call('PUT', `rooms/${encodeURIComponent(room)}/send/m.room.message/1`, { msgtype: 'm.text', body: '@room bureau-admin' });
  const until = Date.now() + 30_000;
  while ((await notified()).length === 0 && Date.now() < until) await proxy.silence(50);
  assert.equal((await notified()).length, 1);
});
