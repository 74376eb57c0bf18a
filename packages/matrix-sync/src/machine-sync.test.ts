// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRoomId, type Clock } from '@bureau/core';
import type { TimelineEvent } from './room-event.ts';
import { known, liveSync } from './testing/live-sync.ts';
import {
  ASSIGNMENT,
  MACHINE,
  OPERATOR,
  ROOM,
  ScriptedHomeserver,
  assignment,
  directory,
  keepingLogger,
  news,
  syncOf,
  until,
  type Reply,
} from './testing/scripted-homeserver.ts';

/** Without it the SDK does not read what a refusal says. */
const JSON_TYPE = { 'content-type': 'application/json' };

const HOSTILE: readonly [what: string, reply: Reply][] = [
  ['truncated JSON', (response) => void response.end('{"next_batch":"s9","rooms":{"jo')],
  ['HTML', (response) => void response.setHeader('content-type', 'text/html').end('<html>Bad gateway</html>')],
  ['a list', []],
  ['an object without a position', { rooms: {} }],
  ['a position that is a number', { next_batch: 7 }],
  ['500', (response) => void response.writeHead(500).end('oops')],
  ['502 with JSON', (response) => void response.writeHead(502).end('{"errcode":"M_UNKNOWN"}')],
  ['a redirect', (response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
  ['a connection that is cut', (response) => void response.destroy()],
  ['429', (response) => void response.writeHead(429, JSON_TYPE).end('{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":20}')],
  [
    'a 429 whose pause is no number',
    (response) => void response.writeHead(429, JSON_TYPE).end('{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":"x"}'),
  ],
  [
    'nothing of what is promised',
    (response) => void response.writeHead(200, { 'content-length': '5000' }).write('{', () => response.destroy()),
  ],
];

for (const [what, reply] of HOSTILE)
  test(`MachineSync keeps what it knows while the homeserver answers ${what}, and goes on from where it was`, async (context) => {
    const live = await liveSync(context, [assignment('a/one', '$one')]);
    const { sync } = live;
    assert.deepEqual(known(sync), ['a/one $one']);
    live.say(reply);
    await until(() => sync.health === 'offline');
    assert.deepEqual(known(sync), ['a/one $one']);
    live.state = [assignment('a/one', '$one'), assignment('a/two', '$two')];
    live.say(news('s2', [assignment('a/two', '$two')]));
    await until(() => sync.health === 'live');
    assert.deepEqual(known(sync), ['a/one $one', 'a/two $two']);
    assert.equal(live.server.to('/sync').at(-2)?.query.get('since'), 's1', 'nothing is left out and nothing asked for twice');
  });

test('MachineSync ends a body that never ends at its bound, and keeps what it knows', async (context) => {
  const { sync, say } = await liveSync(context, [assignment('a/one', '$one')]);
  let sent = 0;
  say((response) => {
    const more = (): void => {
      for (let room = true; room && !response.destroyed; sent += 1) room = response.write(' '.repeat(1_048_576));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  await until(() => sync.health === 'offline');
  assert.ok(sent > 60 && sent < 200, `${sent} MiB were taken`);
  assert.deepEqual(known(sync), ['a/one $one']);
});

test('MachineSync reads the good events of an answer whose others are wrong, and tells each wrong one once', async (context) => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  const bad: unknown[] = [
    null,
    7,
    'x',
    [],
    {},
    assignment('bad/content', '$b1', [] as never),
    { ...assignment('bad/sender', '$b2'), sender: 'nobody' },
    { ...assignment('bad/key', '$b3'), state_key: 7 },
    { ...assignment('bad/type', '$b4'), type: null },
    { ...assignment('x'.repeat(256), '$b5') },
    { ...assignment('bad/id', '$b6'), event_id: undefined },
    assignment('bad/large', '$b7', { v: 1, text: 'x'.repeat(66_000) }),
  ];
  const good = [assignment('a/one', '$one'), assignment('a/two', '$two')];
  const text = JSON.stringify(news('s1', [good[0], ...bad, 'DEEP', good[1]])).replace('"DEEP"', `{"content":${deep}}`);
  const logger = keepingLogger();
  const { sync } = await liveSync(context, good, { first: (response) => void response.end(text), logger });
  assert.deepEqual(known(sync), ['a/one $one', 'a/two $two']);
  assert.ok(sync.refused.count >= 9, `${sync.refused.count}`);
  const told = logger.lines.filter((line) => line.startsWith('an event cannot be read'));
  assert.equal(told.length, sync.refused.count);
  assert.equal(new Set(told).size, told.length);
});

test('MachineSync does not believe an old answer that is replayed: the room is read', async (context) => {
  const old = [assignment('a/one', '$old', { v: 1, desired: 'stopped' })];
  const first = news('s1', old);
  const live = await liveSync(context, old, { first });
  const { sync } = live;
  live.state = [assignment('a/one', '$new')];
  live.say(news('s2', live.state));
  await until(() => known(sync)[0] === 'a/one $new');
  const seen: string[] = [];
  const reads = live.reads();
  live.say(first, first, news('s3', []));
  await until(() => {
    seen.push(...known(sync));
    return live.reads() > reads && live.left.length === 0;
  });
  assert.deepEqual([...new Set(seen)], ['a/one $new']);
});

test('MachineSync reads a room again whose state event was redacted, and takes the redacted content', async (context) => {
  const before = [assignment('a/one', '$one', { v: 1, principal: 'a/one' }), assignment('a/two', '$two', { v: 1 })];
  const live = await liveSync(context, before);
  const { sync } = live;
  live.state = [assignment('a/one', '$one', {}), assignment('a/two', '$two', { v: 1 })];
  const redaction = { type: 'm.room.redaction', sender: OPERATOR, event_id: '$r', origin_server_ts: 2, content: { redacts: '$one' } };
  live.say(news('s2', [], { timeline: { events: [redaction] } }));
  await until(() => Object.keys(sync.state(ROOM, ASSIGNMENT)[0]?.content ?? { v: 1 }).length === 0);
  assert.deepEqual(known(sync), ['a/one $one', 'a/two $two']);
});

test('MachineSync starts offline from the last good state, and says nothing is confirmed', async (context) => {
  const place = directory(context);
  const { server, sync: before, say } = await liveSync(context, [assignment('a/one', '$one')], { directory: place });
  say(news('s2', [assignment('a/two', '$two')]));
  await until(() => known(before).length === 2);
  // The position is saved after what it brought was told, and before the next sync.
  await until(() => server.to('/sync').length === 3);
  before.stop();
  const after = syncOf(context, 'http://127.0.0.1:9', { directory: place });
  after.start();
  await until(() => after.health === 'offline');
  assert.deepEqual(known(after), ['a/one $one', 'a/two $two']);
  await assert.rejects(after.confirm(), { code: 'homeserver_unreachable' });
});

test('MachineSync.confirm() reads the rooms where syncs do not say the state after the timeline, and not where they do', async (context) => {
  const state = [assignment('a/one', '$one')];
  const first = { next_batch: 's1', rooms: { join: { [ROOM]: { state: { events: state } } } } };
  const live = await liveSync(context, state, { first });
  const { sync } = live;
  const before = live.reads();
  live.state = [];
  await sync.confirm();
  assert.equal(live.reads(), before + 1);
  assert.deepEqual(known(sync), [], 'and what was read stands');
  live.say(news('s2', [assignment('a/two', '$two')]));
  await until(() => known(sync).length === 1);
  await sync.confirm();
  assert.equal(live.reads(), before + 1);
});

test('MachineSync begins anew in place when the homeserver refuses its position', async (context) => {
  const live = await liveSync(context, [assignment('a/one', '$one')]);
  live.state = [assignment('a/two', '$two')];
  live.say((response) => void response.writeHead(400).end('{"errcode":"M_UNKNOWN","error":"Invalid since"}'), news('t1', live.state));
  await until(() => known(live.sync)[0] === 'a/two $two');
  assert.equal(live.server.to('/sync').filter(({ query }) => !query.has('since')).length, 2);
});

test('MachineSync delivers others’ messages with those of a gap, once and in order, and not its own', async (context) => {
  const server = await ScriptedHomeserver.start(context);
  const message = (id: string, sender = OPERATOR): object => ({
    type: 'm.room.message',
    sender,
    event_id: id,
    origin_server_ts: 1,
    content: { body: id },
  });
  const syncs: Reply[] = [
    news('s1', [], { timeline: { events: [message('$before')] } }),
    news('s2', [], { timeline: { events: [message('$4'), message('$own', MACHINE), message('$5')], limited: true, prev_batch: 'p4' } }),
  ];
  server.answer = ({ path, query }) => {
    if (path === '/sync') return syncs.shift();
    if (path.endsWith('/state')) return [];
    if (path.endsWith('/messages') && query.get('from') === 'p4') return { chunk: [message('$4'), message('$3')], end: 'p2' };
    if (path.endsWith('/messages') && query.get('from') === 'p2') return { chunk: [message('$2'), 7, message('$1')], end: 'p2' };
    return undefined;
  };
  const got: string[] = [];
  const take = async (_room: string, events: readonly TimelineEvent[]): Promise<void> => {
    got.push(...events.map(({ eventId }) => eventId));
    throw new Error('what nobody foresaw');
  };
  const sync = syncOf(context, server.url, { directory: directory(context), messages: { types: ['m.room.message'], take } });
  sync.start();
  await until(() => got.length > 0 && server.to('/sync').length === 3);
  assert.deepEqual(got, ['$1', '$2', '$3', '$4', '$5']);
  assert.equal(server.to('/sync').at(-1)?.query.get('since'), 's2', 'what a reader throws does not stop the sync');
});

test('MachineSync accepts what it is told to accept, declines the rest, and no more than a few at once', async (context) => {
  const server = await ScriptedHomeserver.start(context);
  const invite = (from: string): object => ({
    invite_state: { events: [{ type: 'm.room.member', state_key: MACHINE, sender: from, content: { membership: 'invite' } }] },
  });
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`!spam${at}:bureau.test`, invite('@mallory:bureau.test')]));
  const syncs: Reply[] = [{ next_batch: 's1', rooms: { invite: { [ROOM]: invite(OPERATOR), ...many } } }];
  server.answer = ({ path }) => (path === '/sync' ? syncs.shift() : path.endsWith('/state') ? [] : {});
  const accepts = ({ room, from }: { room: string; from: string | undefined }): boolean => room === ROOM && from === OPERATOR;
  const sync = syncOf(context, server.url, { directory: directory(context), accepts });
  sync.start();
  await until(() => server.asked.filter(({ path }) => path.endsWith('/leave')).length >= 19);
  assert.deepEqual(
    server.asked.filter(({ path }) => path.endsWith('/join')).map(({ path }) => path),
    [`/rooms/${ROOM}/join`],
  );
  assert.equal(server.asked.filter(({ path }) => path.endsWith('/leave')).length, 19);
});

test('MachineSync.post() sends once, whatever dies in between, and what was sent is not sent again', async (context) => {
  const server = await ScriptedHomeserver.start(context);
  const place = directory(context);
  const arrived: string[] = [];
  let silent = true;
  server.answer = ({ path, method }) => {
    if (path === '/sync') return { next_batch: 's1' };
    if (path.endsWith('/state')) return [];
    if (method === 'PUT') {
      arrived.push(path);
      return silent ? undefined : { event_id: '$sent' };
    }
    return undefined;
  };
  const message = { room: ROOM, type: 'm.room.message', content: { body: 'x' }, key: 'once' };
  const first = syncOf(context, server.url, { directory: place });
  first.post(message);
  await until(() => arrived.length === 1);
  first.stop();
  silent = false;
  const second = syncOf(context, server.url, { directory: place });
  second.start();
  await until(() => arrived.length === 2);
  assert.equal(arrived[0], arrived[1], 'the same transaction: the homeserver makes one event of both');
  second.post(message);
  second.post({ ...message, key: 'other' });
  await until(() => arrived.length === 3);
  assert.notEqual(arrived[2], arrived[0]);
  // It is settled a turn after its answer; a post of the next process depends on it.
  await until(() => {
    second.post({ ...message, key: `probe ${arrived.length}` });
    return arrived.length > 3;
  });
  second.stop();
  const third = syncOf(context, server.url, { directory: place });
  const before = arrived.length;
  third.post(message);
  third.post({ ...message, key: 'last' });
  await until(() => arrived.length > before);
  assert.ok(!arrived.slice(before).includes(arrived[0] ?? ''));
});

test('MachineSync waits for one room as long as the homeserver asks, and for no other room', async (context) => {
  const server = await ScriptedHomeserver.start(context);
  const other = '!other:bureau.test' as typeof ROOM;
  const asked: ('limited' | 'other')[] = [];
  server.answer = ({ path, method }) => {
    if (method !== 'PUT') return path === '/sync' ? undefined : [];
    asked.push(path.includes(ROOM) ? 'limited' : 'other');
    if (asked.length === 1)
      return (response) =>
        void response.writeHead(429, JSON_TYPE).end('{"errcode":"M_LIMIT_EXCEEDED","error":"Too fast","retry_after_ms":400}');
    return { event_id: '$x' };
  };
  const { clock, pauses, pass } = standingClock();
  const sync = syncOf(context, server.url, { directory: directory(context), clock });
  sync.post({ room: ROOM, type: 'm.room.message', content: {}, key: 'one' });
  await until(() => pauses().includes(400));
  sync.post({ room: ROOM, type: 'm.room.message', content: {}, key: 'two' });
  sync.post({ room: other, type: 'm.room.message', content: {}, key: 'three' });
  // The second of the room waits as long as the first, which tries again.
  await until(() => asked.length === 2 && pauses().filter((pause) => pause === 400).length === 2);
  pass(399);
  assert.equal(pauses().filter((pause) => pause === 400).length, 2);
  pass(1);
  await until(() => asked.length === 4);
  assert.deepEqual(asked, ['limited', 'other', 'limited', 'limited']);
});

/** Time that stands still until it is told to pass, and how long those asked for who wait. */
function standingClock(): { clock: Clock; pauses: () => number[]; pass: (milliseconds: number) => void } {
  let now = 0;
  const waiting = new Set<{ readonly asked: number; readonly at: number; readonly callback: () => void }>();
  return {
    clock: {
      now: () => now,
      monotonic: () => now,
      setTimer: (milliseconds, callback) => {
        const timer = { asked: milliseconds, at: now + milliseconds, callback };
        waiting.add(timer);
        return { clear: () => void waiting.delete(timer) };
      },
    },
    pauses: () => [...waiting].map(({ asked }) => asked),
    pass: (milliseconds) => {
      now += milliseconds;
      for (const timer of [...waiting].filter(({ at }) => at <= now)) {
        waiting.delete(timer);
        timer.callback();
      }
    },
  };
}

test('MachineSync follows further types from when it is told to: what is there is read, what comes is taken', async (context) => {
  const ready = (id: string, level: number): Record<string, unknown> => ({ ...assignment('', id, { level }), type: 'm.bureau.ready' });
  const live = await liveSync(context, [assignment('a/one', '$one'), ready('$old', 1)], {
    first: news('s1', [assignment('a/one', '$one')]),
  });
  const { server, sync } = live;
  assert.deepEqual(sync.state(ROOM, 'm.bureau.ready'), []);
  assert.deepEqual([sync.isMember(ROOM), sync.isMember(parseRoomId('!other:bureau.test'))], [true, false]);

  sync.follow(['m.bureau.ready']);
  await until(() => sync.state(ROOM, 'm.bureau.ready')[0]?.eventId === '$old');
  const isAsked = (): boolean => server.to('/sync').at(-1)?.query.get('filter')?.includes('m.bureau.ready') === true;
  await until(isAsked);
  live.say(news('s2', [ready('$new', 2)]));
  await until(() => sync.state(ROOM, 'm.bureau.ready')[0]?.eventId === '$new');
  const reads = live.reads();
  sync.follow(['m.bureau.ready']);
  await until(() => server.to('/sync').at(-1)?.query.get('since') === 's2');
  assert.equal(live.reads(), reads, 'what is followed already is not read again');
});
