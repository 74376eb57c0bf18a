// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { parseRoomAlias, parseUserId, type RoomId } from '@bureau/core';
import { MatrixClient, type Content, type StateEvent } from '@bureau/matrix';
import { systemClock } from '@bureau/process';
import type { AnyOperation } from '../registry/operation.ts';
import { Capture, TestOperator, operationNamed, refused } from './test-operator.ts';

const UID = 264_131;
const TIMEOUT = { timeout: 60_000 };

function operation(name: string): AnyOperation {
  return operationNamed(`matrix ${name}`);
}

function render(name: string, result: unknown): string {
  return operation(name).render?.(result as never) ?? '';
}

interface Made {
  readonly room_id: RoomId;
  readonly alias: string;
  readonly outcome: string;
  readonly space_id?: string;
}

describe('bureau matrix on a real homeserver', () => {
  let operator: TestOperator;
  const call = <Result = unknown>(name: string, input: Readonly<Record<string, unknown>> = {}, more = {}): Promise<Result> =>
    operator.call<Result>(operation(name), input, more);
  const stateOf = (room: string): Promise<StateEvent[]> => call<StateEvent[]>('state get', { room });
  const contentOf = (room: string, type: string, key?: string): Promise<Content> =>
    call<Content>('state get', { room, type, ...(key === undefined ? {} : { key }) });

  before(async () => {
    operator = await TestOperator.start(UID);
  }, TIMEOUT);
  after(() => operator[Symbol.asyncDispose]());

  test('user whoami says the user and never the token', async () => {
    const who = await call('user whoami');
    assert.deepEqual(who, { user_id: '@bureau-admin:bureau.test', device_id: 'BUREAU_ADMIN', homeserver: operator.homeserver.url });
    assert.ok(!JSON.stringify(who).includes(operator.token));
    assert.equal(render('user whoami', who), '@bureau-admin:bureau.test');
    await refused(call('user whoami', { server_name: 'other.test' }), 'matrix_server_name_mismatch');
    await refused(call('user whoami', { homeserver: 'http://127.0.0.1:9' }), 'matrix_unreachable');
  });

  test('space create makes once, keeps afterwards, refuses what is not ours to take', async () => {
    const made = await call<Made>('space create', { alias: 'iree', name: 'IREE', topic: 'IREE compiler infrastructure' });
    assert.equal(made.outcome, 'made');
    assert.equal(made.alias, '#iree:bureau.test');
    const state = await stateOf('iree');
    assert.equal(state.find(({ type }) => type === 'm.room.create')?.content['type'], 'm.space');
    const levels = await contentOf('iree', 'm.room.power_levels');
    assert.deepEqual([levels['state_default'], levels['events_default'], levels['invite']], [100, 100, 100]);
    await call('state set', { room: 'iree', type: 'm.room.topic', content: '{"topic":"changed on purpose"}' });
    const again = await call<Made>('space create', { alias: 'iree', name: 'Other', topic: 'Other' });
    assert.deepEqual([again.room_id, again.outcome], [made.room_id, 'kept']);
    assert.equal((await contentOf('iree', 'm.room.topic'))['topic'], 'changed on purpose');
    for (const alias of ['bureau', 'bureau/system', 'machine/one', 'fleet/x', 'service/x'])
      await refused(call('space create', { alias }), 'alias_reserved');
    await refused(call('room create', { alias: 'iree', space: 'bureau' }), 'matrix_alias_squatted');
  });

  test('room create: admin-only levels, listed types lowered, both ties, repaired by a second run', async () => {
    const made = await call<Made>('room create', {
      alias: 'iree/amdgpu/general',
      space: '#iree:bureau.test',
      name: 'IREE AMDGPU General',
      member_state_event: ['m.bureau.build', 'org.example.note'],
    });
    const levels = await contentOf('iree/amdgpu/general', 'm.room.power_levels');
    assert.deepEqual([levels['state_default'], levels['events_default'], levels['users_default']], [100, 0, 0]);
    const events = levels['events'] as Record<string, number>;
    assert.deepEqual([events['m.bureau.build'], events['org.example.note'], events['m.room.power_levels']], [0, 0, 100]);
    assert.deepEqual(
      (await stateOf(made.room_id)).filter(({ type }) => type === 'm.space.parent').map(({ state_key: key }) => key),
      [made.space_id],
    );
    assert.deepEqual((await contentOf('iree', 'm.space.child', made.room_id))['via'], ['bureau.test']);
    await call('state set', { room: 'iree', type: 'm.space.child', key: made.room_id, content: '{}' });
    const again = await call<Made>('room create', { alias: 'iree/amdgpu/general', space: 'iree' });
    assert.deepEqual([again.room_id, again.outcome], [made.room_id, 'kept']);
    assert.deepEqual((await contentOf('iree', 'm.space.child', made.room_id))['via'], ['bureau.test']);
    await refused(call('room create', { alias: 'iree/x', space: 'iree/amdgpu/general' }), 'not_a_space');
    await refused(call('room create', { alias: 'iree/x', space: 'nowhere' }), 'not_found');
    await refused(call('room create', { alias: 'iree/x', space: 'iree', member_state_event: ['m.room.power_levels'] }), 'invalid_input');
    await refused(call('state get', { room: 'iree/x' }), 'not_found');
  });

  test('an alias of a room that a stranger made is squatted', async () => {
    const stranger = await operator.user('stranger');
    const room = await stranger.createRoom({
      roomVersion: '12',
      name: 'Trap',
      topic: '',
      powerLevels: {},
      invite: [parseUserId('@bureau-admin:bureau.test')],
    });
    const client = new MatrixClient({ homeserverUrl: operator.homeserver.url, clock: systemClock, token: operator.token });
    await client.join(room);
    await client.createAlias(parseRoomAlias('#iree/trap:bureau.test'), room);
    await refused(call('room create', { alias: 'iree/trap', space: 'iree' }), 'matrix_alias_squatted');
    await client.deleteAlias(parseRoomAlias('#iree/trap:bureau.test'));
    await client.leave(room);
  });

  test('lists: spaces, rooms, rooms of a space, users; hostile names drive no terminal', async () => {
    await call('room create', { alias: 'iree/hostile', space: 'iree', name: 'a\u001b]0;owned\u0007\u009b2J\nb\u202etxt' });
    const spaces = await call<{ alias: string; name: string }[]>('space list');
    assert.deepEqual(
      spaces.map(({ alias, name }) => [alias, name]),
      [
        ['#bureau:bureau.test', 'Bureau'],
        ['#iree:bureau.test', 'IREE'],
      ],
    );
    const rooms = await call<{ alias: string }[]>('room list');
    assert.ok(
      rooms.some(({ alias }) => alias === '#bureau/system:bureau.test') && !rooms.some(({ alias }) => alias === '#iree:bureau.test'),
    );
    const ofSpace = await call<{ alias: string }[]>('room list', { space: '#iree:bureau.test' });
    assert.deepEqual(
      ofSpace.map(({ alias }) => alias),
      ['#iree/amdgpu/general:bureau.test', '#iree/hostile:bureau.test'],
    );
    const text = render('room list', ofSpace);
    assert.match(text, /^ROOM ID +ALIAS +NAME +TOPIC\n/);
    assert.match(text, /a\\u001b\]0;owned\\u0007\\u009b2J\\nb\\u202etxt/);
    assert.equal(text.split('\n').length, 3);
    const users = await call<{ user_id: string }[]>('user list');
    assert.ok(users.some(({ user_id }) => user_id === '@bureau-admin:bureau.test'));
    assert.deepEqual(await call('user list', { room: 'iree/hostile' }), [
      { user_id: '@bureau-admin:bureau.test', display_name: 'bureau-admin' },
    ]);
  });

  test('lists know what was made a moment ago, though servers keep first syncs for minutes', async () => {
    const names = async (): Promise<string[]> => (await call<{ name: string }[]>('room list', { space: 'fresh' })).map(({ name }) => name);
    await call('space create', { alias: 'fresh' });
    for (const count of [1, 2]) {
      await call('room create', { alias: `fresh/${count}`, space: 'fresh' });
      assert.equal((await names()).length, count);
      assert.ok((await names()).every((name) => name.startsWith('fresh/')));
    }
    const gone = await call<{ unlinked_from: string[] }>('room delete', { room: 'fresh/2' });
    assert.deepEqual([gone.unlinked_from.length, await names()], [1, ['fresh/1']]);
    await call('room delete', { room: 'fresh/1' });
    await call('space delete', { space: 'fresh' });
  });

  test('invite is idempotent before and after the join; members and kick tell the truth', async () => {
    const builder = await operator.user('iree-builder');
    const user = '@iree-builder:bureau.test';
    const room = '#iree/amdgpu/general:bureau.test';
    const first = await call<{ room_id: RoomId; already: boolean; membership: string }>('user invite', { user, room });
    assert.deepEqual([first.already, first.membership], [false, 'invite']);
    assert.deepEqual((await call<typeof first>('user invite', { user, room })).already, true);
    await builder.join(first.room_id);
    const joined = await call<typeof first>('user invite', { user, room });
    assert.deepEqual([joined.already, joined.membership], [true, 'join']);
    assert.match(render('user invite', joined), /is in .* already/);
    const members = await call<{ user_id: string; membership: string }[]>('room members', { room });
    assert.deepEqual(
      members.map(({ user_id, membership }) => `${user_id} ${membership}`),
      ['@bureau-admin:bureau.test join', `${user} join`],
    );
    assert.deepEqual((await call<unknown[]>('space members', { space: 'iree' })).length, 1);
    await call('user kick', { user, room, reason: 'test' });
    assert.equal((await call<unknown[]>('room members', { room })).length, 1);
    await refused(call('user kick', { user, room }), 'not_found');
    await refused(call('user invite', { user: '@nobody at all', room }).catch(asCode('invalid')), 'invalid');
    await call('user invite', { user, room });
    await builder.join(first.room_id);
  });

  test('send: text, thread, any content; messages pages both ways and by thread', async () => {
    const room = 'iree/amdgpu/general';
    const send = async (input: Readonly<Record<string, unknown>>): Promise<string> =>
      (await call<{ event_id: string }>('send', { room, ...input })).event_id;
    const root = await send({ message: 'one' });
    const reply = await send({ message: 'in the thread', thread: root });
    const custom = await send({ event_type: 'm.bureau.build_result', content: '{"passed":12,"nested":{"list":[1,"x",null]}}' });
    for (const word of ['two', 'three']) await send({ message: word });
    await refused(send({ message: 'x', content: '{}' }), 'invalid_input');
    await refused(send({}), 'invalid_input');
    await refused(send({ content: '{"half": 0.5}' }), 'invalid_content');
    await refused(send({ message: 'x', thread: '$nothing' }), 'not_found');
    interface Page {
      readonly end?: string;
      readonly events: { event_id: string; content: Content }[];
    }
    const newest = await call<Page>('messages', { room, limit: 2 });
    assert.deepEqual(
      newest.events.map(({ content }) => content['body']),
      ['three', 'two'],
    );
    const next = await call<Page>('messages', { room, limit: 3, from: newest.end });
    assert.deepEqual(
      next.events.map(({ event_id }) => event_id),
      [custom, reply, root],
    );
    assert.deepEqual(next.events[0]?.content, { passed: 12, nested: { list: [1, 'x', null] } });
    assert.match(render('messages', next), new RegExp(`more: --from ${next.end?.replaceAll(/[^a-zA-Z0-9_]/g, '.')}`));
    const forward = await call<Page>('messages', { room, direction: 'forward', limit: 1 });
    assert.notEqual(forward.events[0]?.event_id, newest.events[0]?.event_id);
    const thread = await call<Page>('messages', { room, thread: root });
    assert.deepEqual(
      thread.events.map(({ event_id }) => event_id),
      [reply, root],
    );
    const oldestFirst = await call<Page>('messages', { room, thread: root, direction: 'forward' });
    assert.deepEqual(
      oldestFirst.events.map(({ event_id }) => event_id),
      [root, reply],
    );
    await refused(call('messages', { room, thread: '$nothing' }), 'not_found');
  });

  test('state set and get: argument, stdin, key, whole state, what is not there, what is not ours', async () => {
    const room = '#bureau/service:bureau.test';
    const type = 'm.bureau.service';
    const content = { name: 'echo', version: '0.1.0', endpoint: 'unix:///run/bureau/test/echo.sock' };
    const set = await call<{ event_id: string }>('state set', { room, type, key: 'test/echo', content: JSON.stringify(content) });
    assert.match(set.event_id, /^\$/);
    assert.deepEqual(await contentOf(room, type, 'test/echo'), content);
    await call(
      'state set',
      { room, type, key: 'test/stdin', stdin: true },
      { input: Readable.from([Buffer.from('{"a":'), Buffer.from('1}\n')]) },
    );
    assert.deepEqual(await contentOf(room, type, 'test/stdin'), { a: 1 });
    const all = await stateOf(room);
    assert.ok(all.length > 8 && all.some(({ state_key }) => state_key === 'test/echo'));
    const missing = await refused(contentOf(room, type, 'none'), 'not_found');
    assert.match(missing.message, /no m\.bureau\.service with the state key "none"/);
    await refused(call('state set', { room, type }), 'invalid_input');
    await refused(call('state set', { room, type, content: '{}', stdin: true }), 'invalid_input');
    await refused(call('state set', { room, type, content: '[1]' }), 'invalid_content');
    const foreign = await refused(call('state set', { room, type, key: '@other:bureau.test', content: '{}' }), 'matrix_forbidden');
    assert.match(foreign.message, /Only @other:bureau\.test itself/);
    await refused(contentOf('!nowhere:bureau.test', type), 'not_in_room');
  });

  test('state set writes over no event of ours that a newer Bureau wrote, unless it is told to', async () => {
    const room = '#bureau/service:bureau.test';
    const type = 'm.bureau.service';
    const write = (content: object, more = {}): Promise<unknown> =>
      call('state set', { room, type, key: 'test/newer', content: JSON.stringify(content), ...more });
    await write({ v: 1, name: 'first' });
    await write({ v: 99, name: 'newer', kept: true });
    const error = await refused(write({ v: 1, name: 'older' }), 'event_newer');
    assert.match(error.message, /newer Bureau \(version 99\).*--force/);
    await refused(write({}), 'event_newer');
    assert.deepEqual(await contentOf(room, type, 'test/newer'), { v: 99, name: 'newer', kept: true });
    await write({ v: 1, name: 'older' }, { force: true });
    assert.deepEqual(await contentOf(room, type, 'test/newer'), { v: 1, name: 'older' });
    // What is not ours has its own versions.
    await call('state set', { room, type: 'org.example.other', content: '{"v":99}' });
    await call('state set', { room, type: 'org.example.other', content: '{"v":1}' });
  });

  test('inspect: facts, members with their power, state by kind, a pattern', async () => {
    interface Inspected {
      readonly room_version: string;
      readonly member_count: number;
      readonly members: { user_id: string; power_level: number | string }[];
      readonly space_parents?: string[];
      readonly bureau_state?: { event_type: string }[];
      readonly matrix_state?: { event_type: string }[];
    }
    const room = await call<Inspected>('inspect', { room: 'iree/amdgpu/general' });
    assert.deepEqual([room.room_version, room.member_count, room.space_parents?.length], ['12', 2, 1]);
    assert.deepEqual(
      room.members.map(({ user_id, power_level }) => [user_id, power_level]),
      [
        ['@bureau-admin:bureau.test', 'unlimited'],
        ['@iree-builder:bureau.test', 0],
      ],
    );
    assert.ok(room.matrix_state?.some(({ event_type }) => event_type === 'm.room.join_rules'));
    const service = await call<Inspected>('inspect', { room: 'bureau/service', type: 'm.bureau.*' });
    assert.deepEqual([service.bureau_state?.map(({ event_type }) => event_type), service.matrix_state], [['m.bureau.service'], undefined]);
    assert.match(render('inspect', room), /Power levels\n {6}0 {2}every member, messages[\s\S]*Members \(2 in the room\)/);
  });

  test('delete: unlinked, aliases free, left; Bureau’s own rooms are not', async () => {
    const { room_id: id } = await call<Made>('room create', { alias: 'iree/old', space: 'iree' });
    await refused(call('space delete', { space: 'iree/old' }), 'not_a_space');
    await refused(call('room delete', { room: 'iree' }), 'is_a_space');
    for (const room of ['bureau/system', 'bureau/agents']) await refused(call('room delete', { room }), 'room_protected');
    await refused(call('space delete', { space: 'bureau' }), 'room_protected');
    const deleted = await call<{ aliases_removed: string[]; unlinked_from: string[]; members_left: number }>('room delete', {
      room: 'iree/old',
    });
    assert.deepEqual([deleted.aliases_removed, deleted.unlinked_from.length, deleted.members_left], [['#iree/old:bureau.test'], 1, 0]);
    assert.deepEqual(await contentOf('iree', 'm.space.child', id), {});
    await refused(call('room delete', { room: 'iree/old' }), 'not_found');
    await refused(call('room delete', { room: id }), 'not_in_room');
    const again = await call<Made>('room create', { alias: 'iree/old', space: 'iree' });
    assert.notEqual(again.room_id, id);
    const withOthers = await call<{ members_left: number }>('room delete', { room: 'iree/amdgpu/general' });
    assert.equal(withOthers.members_left, 1);
    assert.match(render('room delete', withOthers), /1 other member is still in/);
  });

  test('watch shows history and news once each, over a restart of the homeserver, and ends by the signal', TIMEOUT, async () => {
    const { room_id: room } = await call<Made>('room create', { alias: 'iree/watched', space: 'iree' });
    const send = (message: string): Promise<unknown> => call('send', { room, message });
    for (const word of ['before 1', 'before 2']) await send(word);
    const ender = new AbortController();
    const watching = call<{ events: number }>('watch', { room, type: ['m.room.mess*'], history: 2 }, { signal: ender.signal, json: true });
    await operator.output.until(/before 2/);
    await send('now');
    await operator.output.until(/"now"/);
    await operator.restart(() => operator.notes.until(/trying again/));
    await send('after');
    await operator.output.until(/"after"/);
    ender.abort(new Error('Interrupted'));
    assert.equal((await watching).events, 4);
    const bodies = operator.output.text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { content: Content }).content['body']);
    assert.deepEqual(bodies, ['before 1', 'before 2', 'now', 'after']);
    assert.ok(!operator.notes.text.includes(operator.token));
  });

  test('watch begun twice shows each time what is new then', TIMEOUT, async () => {
    const { room_id: room } = await call<Made>('room create', { alias: 'iree/twice', space: 'iree' });
    for (const word of ['first', 'second']) {
      await call('send', { room, message: word });
      const ender = new AbortController();
      const output = new Capture();
      const watching = call<{ events: number }>('watch', { room, type: ['m.room.message'], history: 1 }, { signal: ender.signal, output });
      await output.until(/first|second/);
      ender.abort(new Error('Interrupted'));
      assert.equal((await watching).events, 1);
      assert.match(output.text, new RegExp(`^\\d{4}-\\d\\d-\\d\\d [\\d:]{8}  @bureau-admin:bureau.test  m.room.message  ${word}\n$`));
    }
  });

  test('watch fails at once where no waiting helps', async () => {
    await refused(call('watch', { room: '!nowhere:bureau.test' }), 'not_in_room');
    await refused(call('watch', { room: 'iree/old-and-gone' }), 'not_found');
  });
});

/** Makes the schema's refusal look like one of ours. */
function asCode(code: string): (error: unknown) => never {
  return (error) => {
    throw Object.assign(new Error(String(error)), { code });
  };
}
