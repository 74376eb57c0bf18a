// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRoomId } from '@bureau/core';
import type { StateEvent } from '@bureau/matrix';
import * as v from 'valibot';
import { inspectState, inspectedRoom } from './inspect-room.ts';
import { renderInspected } from './inspect-text.ts';

const ROOM = parseRoomId('!r');
const event = (type: string, content: Record<string, unknown>, state_key = '', sender = '@a:t'): StateEvent => ({
  type,
  content,
  state_key,
  sender,
});

test('inspectState sorts state by kind, tells members with their power, and fills in absent levels', () => {
  const state = [
    event('m.room.create', { room_version: '11', type: 'm.space' }),
    event('m.room.power_levels', { users: { '@a:t': 100 }, events: { 'm.bureau.x': 0 } }),
    event('m.room.member', { membership: 'join', displayname: 'A' }, '@a:t'),
    event('m.room.member', { membership: 'ban' }, '@b:t'),
    event('m.room.member', { membership: 'leave' }, '@c:t'),
    event('m.space.child', { via: ['t'] }, '!child'),
    event('m.space.child', {}, '!gone'),
    event('m.bureau.x', { v: 1 }, 'two'),
    event('m.bureau.x', { v: 1 }, 'one'),
    event('org.example', { a: 1 }),
  ];
  const room = v.parse(inspectedRoom, inspectState(ROOM, state, undefined));
  assert.deepEqual([room.room_type, room.creator, room.member_count, room.space_children], ['m.space', '@a:t', 1, ['!child']]);
  assert.deepEqual(room.members, [
    { user_id: '@a:t', display_name: 'A', membership: 'join', power_level: 100 },
    { user_id: '@b:t', membership: 'ban', power_level: 0 },
  ]);
  assert.deepEqual([room.power_levels?.state_default, room.power_levels?.invite], [50, 0]);
  assert.deepEqual(
    room.bureau_state?.[0]?.events.map(({ state_key }) => state_key),
    ['one', 'two'],
  );
  assert.deepEqual(
    room.matrix_state?.map(({ event_type }) => event_type),
    ['m.room.create'],
  );
  assert.deepEqual(
    room.other_state?.map(({ event_type }) => event_type),
    ['org.example'],
  );
  const only = inspectState(ROOM, state, 'm.room.m*');
  assert.deepEqual([only.bureau_state, only.matrix_state?.[0]?.events.length], [undefined, 3]);
});

test('inspectState and renderInspected take any state that a hostile room may have', () => {
  const hostile = [
    event('m.room.create', {}),
    event('m.room.power_levels', { users: 'x', events: [1], users_default: 'y', state_default: null }),
    event('m.room.member', { membership: 5, displayname: {} }, '\u001b[2J'),
    event('m.room.name', { name: 'a\u001b]0;x\u0007\nb' }),
    event('m.bureau.\u009b', { x: '\u202e' }, '\n'),
    event('constructor', {}, '__proto__'),
  ];
  const text = renderInspected(v.parse(inspectedRoom, inspectState(ROOM, hostile, undefined)));
  assert.match(text, /^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]*$/);
  assert.ok(renderInspected(inspectState(ROOM, [], undefined)).includes('!r'));
});
