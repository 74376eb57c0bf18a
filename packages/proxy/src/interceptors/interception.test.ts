// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { selfSigned } from '@bureau/testkit/self-signed';
import { json, type SeenRequest } from '../testing/homeserver-stand-in.ts';
import { TOKEN, type HttpAnswer, type ProxyFixture } from '../testing/proxy-fixture.ts';
import { KEY, configureApi, proxyFor } from '../testing/services.ts';
import { UpstreamStandIn } from '../testing/upstream-stand-in.ts';

const ROOM = '!pulls:test.local';
const RULE = {
  method: 'POST',
  path_pattern: '/repos/*/*/pulls',
  room: ROOM,
  event_type: 'm.bureau.test.pull',
  event_content: {
    body: '${agent_display} opened #${response.number} in ${path.1}/${path.2}',
    number: '${response.number}',
    url: '${response.url}',
  },
};
const PULLS = '/v1/http/api/repos/iree/amdgpu/pulls';
/** Liveness only. */
const WAIT_MILLISECONDS = 20_000;

interface Stand {
  readonly upstream: UpstreamStandIn;
  readonly proxy: ProxyFixture;
  /** Events that the homeserver was asked to send, in order. */
  readonly sent: { readonly path: string; readonly content: Record<string, unknown>; readonly seen: SeenRequest }[];
  answerWith(body: string | Buffer, status?: string, headers?: string): void;
  post(path?: string): Promise<HttpAnswer>;
  /** Until so many have come to an end, as the metrics count them. */
  counted(counts: Partial<Record<'eventsSent' | 'eventsFailed' | 'eventsDropped', number>>): Promise<void>;
  lines(): Record<string, unknown>[];
}

/** A proxy with interceptors between a recording upstream and a recording homeserver. */
async function standOf(context: TestContext, rules: readonly object[] = [RULE], rule: object = {}): Promise<Stand> {
  const ended = new AsyncDisposableStack();
  context.after(() => ended.disposeAsync());
  const upstream = ended.use(await UpstreamStandIn.start());
  const proxy = ended.use(await proxyFor(upstream.url, { response_interceptors: rules, ...rule }));
  const sent: Stand['sent'] = [];
  proxy.homeserver.script = (seen, response) => {
    if (seen.method !== 'PUT') return false;
    sent.push({ path: seen.url, content: JSON.parse(seen.body) as Record<string, unknown>, seen });
    json(response, 200, { event_id: `$event${sent.length}` });
    return true;
  };
  return {
    upstream,
    proxy,
    sent,
    answerWith: (body, status = '201 Created', headers = '') => {
      upstream.answer = ({ socket }) => {
        socket.write(`HTTP/1.1 ${status}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`);
        socket.write(body);
      };
    },
    post: (path = PULLS) => proxy.request('POST', path),
    counted: async (counts) => {
      const until = Date.now() + WAIT_MILLISECONDS;
      for (;;) {
        const stats = await (await proxy.admin()).call('stats', {});
        const found = Object.fromEntries(Object.keys(counts).map((name) => [name, stats[name as keyof typeof counts]]));
        if (Object.entries(counts).every(([name, count]) => (found[name] ?? 0) >= count)) return assert.deepEqual(found, counts);
        if (Date.now() > until) assert.deepEqual(found, counts);
        await proxy.silence(10);
      }
    },
    lines: () => proxy.accessLines().filter(({ path }) => String(path).includes('response_interceptors')),
  };
}

test('an answer that fits becomes an event of the own account, and is itself as it was', async (context) => {
  const stand = await standOf(context);
  const body = '{"number":7,"url":"https://x/7","other":"not taken"}';
  stand.answerWith(body);
  const answer = await stand.post();
  assert.deepEqual([answer.status, answer.text, answer.headers['content-length']], [201, body, String(body.length)]);
  await stand.counted({ eventsSent: 1, eventsFailed: 0, eventsDropped: 0 });
  const [event] = stand.sent;
  assert.match(event?.path ?? '', /^\/_matrix\/client\/v3\/rooms\/!pulls%3Atest\.local\/send\/m\.bureau\.test\.pull\/[^/]+$/);
  assert.deepEqual(event?.content, { body: 'one opened #7 in iree/amdgpu', number: 7, url: 'https://x/7', 'm.mentions': {} });
  assert.equal(event?.seen.headers.authorization, `Bearer ${TOKEN}`);
  const [call] = stand.proxy.accessLines().filter(({ service }) => service === 'api');
  const [line] = stand.lines();
  assert.deepEqual(
    [line?.['service'], line?.['path'], line?.['status'], line?.['trace_id']],
    ['matrix', 'upstreams.api.response_interceptors[0]', 200, call?.['trace_id']],
  );
  const { text } = await (await stand.proxy.admin()).call('metrics', {});
  assert.match(text, /^bureau_proxy_response_events_total\{result="sent"\} 1$/m);
});

test('only what fits: method, status and path; each rule by itself; the control fits', async (context) => {
  const plain = {
    ...RULE,
    method: undefined,
    path_pattern: '/a/**',
    status_min: 404,
    status_max: 404,
    event_content: { body: 'missed ${path.1}' },
  };
  const stand = await standOf(context, [RULE, plain]);
  stand.answerWith('{"number":1}', '202 Accepted');
  for (const path of ['/v1/http/api/repos/iree/pulls', '/v1/http/api/repos/iree/amdgpu/pulls/7', '/v1/http/api/a/b'])
    await stand.post(path);
  await stand.proxy.request('GET', PULLS);
  stand.answerWith('{"number":1}', '302 Found');
  await stand.post();
  stand.answerWith('{"number":1}', '404 Not Found');
  await stand.post();
  await stand.proxy.request('GET', '/v1/http/api/a/b/c');
  await stand.counted({ eventsSent: 1 });
  stand.answerWith('{"number":2}');
  await stand.post();
  await stand.counted({ eventsSent: 2, eventsFailed: 0 });
  assert.deepEqual(
    stand.sent.map(({ content }) => content['body']),
    ['missed b/c', 'one opened #2 in iree/amdgpu'],
  );
});

test('a path in another spelling that some server reads alike fits too', async (context) => {
  const stand = await standOf(context);
  stand.answerWith('{"number":3}');
  for (const path of [
    'repos/iree/amdgpu/%70ulls',
    'repos/iree//amdgpu/pulls',
    'repos/iree/amdgpu;a=b/pulls',
    'repos/iree/amdgpu/pulls?x=1',
  ])
    assert.equal((await stand.post(`/v1/http/api/${path}`)).status, 201, path);
  await stand.counted({ eventsSent: 4 });
  assert.deepEqual(
    stand.sent.map(({ content }) => content['body']),
    ['iree/amdgpu', 'iree/amdgpu', 'iree/amdgpu;a=b', 'iree/amdgpu'].map((where) => `one opened #3 in ${where}`),
  );
});

test('attack: bodies that are no object, too deep, too large or compressed make no event and no difference to the agent', async (context) => {
  const stand = await standOf(context, [RULE], { redact_bodies: false });
  const bodies: readonly [body: string | Buffer, code: string][] = [
    ['not json', 'response_not_json'],
    ['', 'response_not_json'],
    ['{"number":', 'response_not_json'],
    ['[1]', 'response_not_json'],
    ['null', 'response_not_json'],
    ['"text"', 'response_not_json'],
    [Buffer.from([0x7b, 0xff, 0x7d]), 'response_not_json'],
    [gzipSync('{"number":1}'), 'response_not_json'],
    ['['.repeat(65_536), 'response_not_json'],
    [`${'['.repeat(30_000)}${']'.repeat(30_000)}`, 'response_not_json'],
    [`{"number":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'response_too_deep'],
    [`{"number":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`, 'response_too_deep'],
    [`{"number":"${'x'.repeat(65_536)}"}`, 'response_too_large'],
    [`{"number":"${'\\u0000'.repeat(10_800)}"}`, 'message_too_large'],
  ];
  for (const [index, [body, code]] of bodies.entries()) {
    stand.answerWith(body);
    const answer = await stand.post();
    assert.equal(answer.headers['content-length'], String(Buffer.byteLength(body)));
    assert.equal(answer.text, Buffer.from(body).toString('utf8'));
    await stand.counted({ eventsFailed: index + 1 });
    assert.equal(stand.lines().at(-1)?.['code'], code, `case ${index}`);
  }
  assert.equal(stand.sent.length, 0);
  stand.answerWith('{"number":1}');
  await stand.post();
  await stand.counted({ eventsSent: 1 });
});

test('attack: an answer cannot name another type, a state key, a relation or whom to mention', async (context) => {
  const rule = {
    ...RULE,
    event_type: 'm.room.message',
    event_content: { msgtype: 'm.notice', body: 'got ${response.title}', data: '${response.data}' },
  };
  const stand = await standOf(context, [rule]);
  const hostile = {
    title: '@room @bureau-admin:test.local ${agent} ","msgtype":"m.text","m.mentions":{"room":true},"x":"',
    data: {
      'm.mentions': { room: true },
      'm.relates_to': { rel_type: 'm.replace', event_id: '$a' },
      type: 'm.room.member',
      state_key: '@x:y',
    },
    type: 'm.room.power_levels',
    state_key: '',
    room: '!other:test.local',
    'm.mentions': { room: true },
    msgtype: 'm.emote',
  };
  stand.answerWith(JSON.stringify(hostile));
  await stand.post();
  await stand.counted({ eventsSent: 1 });
  const [event] = stand.sent;
  assert.match(event?.path ?? '', /\/rooms\/!pulls%3Atest\.local\/send\/m\.room\.message\//);
  assert.deepEqual(event?.content, { msgtype: 'm.notice', body: `got ${hostile.title}`, data: hostile.data, 'm.mentions': {} });
});

test('attack: a key in the answer is in no event, however it is spelled', async (context) => {
  const rule = { ...RULE, event_content: { body: 'x ${response.a}', whole: '${response.a}' } };
  for (const redacts of [true, false]) {
    const stand = await standOf(context, [rule], { redact_bodies: redacts });
    stand.answerWith(JSON.stringify({ a: `you sent ${KEY}` }));
    await stand.post();
    await stand.counted({ eventsSent: 1 });
    assert.equal(stand.sent[0]?.content['whole'], `you sent ${'*'.repeat(KEY.length)}`);
    // Of the key of another upstream, and in JSON's own escapes.
    const escaped = (text: string): string => Array.from(text, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    stand.answerWith(JSON.stringify({ a: TOKEN }));
    await stand.post();
    await stand.counted({ eventsSent: 2 });
    for (const [index, body] of [`{"a":"${escaped(KEY)}"}`, `{"a":{"${escaped(TOKEN)}":1}}`, `{"a":["${escaped(TOKEN)}"]}`].entries()) {
      stand.answerWith(body);
      await stand.post();
      await stand.counted({ eventsFailed: index + 1 });
      assert.equal(stand.lines().at(-1)?.['code'], 'secret_in_content');
    }
    const said = JSON.stringify(stand.sent.map(({ content }) => content));
    for (const key of [KEY, TOKEN]) assert.ok(!said.includes(key) && !stand.proxy.log().includes(key));
  }
});

test('only where the grants allow it at that moment; a homeserver that refuses is recorded; the agent hears nothing of it', async (context) => {
  const stand = await standOf(context);
  stand.answerWith('{"number":7}');
  await stand.proxy.authorize({ grants: [{ actions: ['**'], targets: ['**'] }], denials: [{ actions: ['matrix/send'], targets: [ROOM] }] });
  assert.equal((await stand.post()).status, 201);
  await stand.counted({ eventsFailed: 1 });
  assert.deepEqual([stand.lines()[0]?.['status'], stand.lines()[0]?.['code'], stand.sent.length], [403, 'not_granted', 0]);
  await stand.proxy.authorize({ grants: [{ actions: ['**'], targets: ['**'] }], denials: [] });
  stand.proxy.homeserver.script = (_seen, response) => {
    json(response, 403, { errcode: 'M_FORBIDDEN', error: 'User @probe/one:test.local not in room' });
    return true;
  };
  assert.equal((await stand.post()).status, 201);
  await stand.counted({ eventsFailed: 2 });
  assert.deepEqual([stand.lines()[1]?.['status'], stand.lines()[1]?.['code']], [403, 'matrix_not_joined']);
});

test('attack: thousands of answers that fit, and a homeserver that does not answer: agents wait for nothing, what is too much is dropped and counted', async (context) => {
  const stand = await standOf(context);
  const held: (() => void)[] = [];
  stand.proxy.homeserver.script = (seen, response) => {
    stand.sent.push({ path: seen.url, content: {}, seen });
    return new Promise<boolean>((resolve) =>
      held.push(() => {
        json(response, 200, { event_id: '$event' });
        resolve(true);
      }),
    );
  };
  stand.answerWith('{"number":7}');
  const total = 2_000;
  for (let done = 0; done < total; done += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => stand.post()));
    assert.ok(answers.every(({ status }) => status === 201));
  }
  // One is on its way, 64 wait.
  await stand.counted({ eventsSent: 0, eventsDropped: total - 65 });
  assert.equal(stand.sent.length, 1, 'one after the other');
  stand.proxy.homeserver.script = (_seen, response) => (json(response, 200, { event_id: '$event' }), true);
  for (const go of held) go();
  await stand.counted({ eventsSent: 65, eventsFailed: 0, eventsDropped: total - 65 });
});

test('half an answer makes no event: the upstream breaks off, or the agent has gone', async (context) => {
  const stand = await standOf(context);
  stand.upstream.answer = ({ socket }) => socket.end('HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"number":1}');
  await assert.rejects(stand.post());
  await stand.counted({ eventsFailed: 1 });
  stand.upstream.answer = ({ socket }) => socket.write('HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"number":1,');
  const agent = connect(stand.proxy.agentPath);
  agent.write(`POST ${PULLS} HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n`);
  await new Promise<void>((resolve) => agent.once('data', () => resolve()));
  agent.destroy();
  await stand.counted({ eventsFailed: 2, eventsSent: 0 });
  assert.deepEqual(
    stand.lines().map(({ code }) => code),
    ['response_cut', 'response_cut'],
  );
});

test('a stream without end is passed on as it comes, and costs no more than the bound', async (context) => {
  const stand = await standOf(context, [RULE, { ...RULE, event_content: { body: 'began' } }]);
  let next: (text: string) => void = () => undefined;
  stand.upstream.answer = ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n');
    next = (text) => socket.write(text);
  };
  const agent = connect(stand.proxy.agentPath);
  let read = '';
  let arrived: () => void = () => undefined;
  agent.on('data', (bytes: Buffer) => {
    read += bytes.toString('latin1');
    arrived();
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve) => {
      arrived = () => void (read.includes(text) && resolve());
      arrived();
    });
  agent.write(`POST ${PULLS} HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n`);
  await until('\r\n\r\n');
  // What needs no body goes out at once.
  await stand.counted({ eventsSent: 1 });
  for (let index = 0; index < 40; index += 1) {
    const event = `data: ${index} ${'x'.repeat(4_096)} end${index}\n\n`;
    next(event);
    await until(`end${index}\n\n`);
  }
  agent.destroy();
  await stand.counted({ eventsFailed: 1 });
});

test('of an upstream of HTTP/2 as well, and after a rotation by the rules of the new bundle', async (context) => {
  const stand = await standOf(context);
  const { key, cert } = selfSigned('localhost');
  const server = createSecureServer({ key, cert });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 201 });
    stream.write('{"number":');
    stream.end('8}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const rule = { ...RULE, room: '!other:test.local', event_content: { body: 'over two: ${response.number}' } };
  await configureApi(stand.proxy, url, { http2: true, ca: String(cert), response_interceptors: [rule] });
  assert.equal((await stand.post()).text, '{"number":8}');
  await stand.counted({ eventsSent: 1 });
  assert.match(stand.sent[0]?.path ?? '', /rooms\/!other%3Atest\.local\//);
  assert.equal(stand.sent[0]?.content['body'], 'over two: 8');
});

test('a bundle with a template that is not of the closed list is refused as a whole', async (context) => {
  const stand = await standOf(context);
  const rules = [{ ...RULE, event_content: { body: '${response.a.b}' } }];
  await assert.rejects(configureApi(stand.proxy, stand.upstream.url, { response_interceptors: rules }), { code: 'header_malformed' });
  stand.answerWith('{"number":7}');
  await stand.post();
  await stand.counted({ eventsSent: 1 });
});
