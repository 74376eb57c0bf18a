// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KnownEvent } from './room-event.ts';
import { RoomStates } from './room-states.ts';
import { ASSIGNMENT, OPERATOR, ROOM } from './testing/scripted-homeserver.ts';

function event(stateKey: string, eventId: string, content: Record<string, unknown> = {}, at = 1): KnownEvent {
  return { type: ASSIGNMENT, stateKey, sender: OPERATOR, eventId, content, at };
}

function shown(states: RoomStates): string[] {
  return states
    .state(ROOM, ASSIGNMENT)
    .map(({ stateKey, eventId }) => `${stateKey} ${eventId}`)
    .toSorted();
}

test('RoomStates.apply() takes the newest of each place, and says what is new', () => {
  const states = new RoomStates();
  assert.equal(states.apply(ROOM, [event('a', '$1'), event('b', '$2')]).set.length, 2);
  assert.deepEqual(
    states.apply(ROOM, [event('a', '$1'), event('b', '$3')]).set.map(({ eventId }) => eventId),
    ['$3'],
  );
  assert.deepEqual(shown(states), ['a $1', 'b $3']);
  assert.equal(states.stands(ROOM, '$3'), true);
  assert.equal(states.stands(ROOM, '$2'), false);
});

test('RoomStates.apply() does not believe an event that another one had replaced; replace() does, since it is all there is', () => {
  const states = new RoomStates();
  states.apply(ROOM, [event('a', '$1'), event('a', '$2')]);
  assert.equal(states.apply(ROOM, [event('a', '$1')]).old, 1);
  assert.deepEqual(shown(states), ['a $2']);
  states.replace(ROOM, [event('a', '$1')]);
  assert.deepEqual(shown(states), ['a $1']);
  assert.equal(states.apply(ROOM, [event('a', '$1')]).old, 0);
});

test('RoomStates.apply() does not believe an event that is older than what stands', () => {
  const states = new RoomStates();
  states.apply(ROOM, [event('a', '$2', {}, 20)]);
  assert.equal(states.apply(ROOM, [event('a', '$1', {}, 19)]).old, 1);
  assert.deepEqual(shown(states), ['a $2']);
  assert.equal(states.apply(ROOM, [event('a', '$3', {}, 20), event('b', '$4', {}, 1)]).set.length, 2);
});

test('RoomStates.replace() notices content that a redaction has taken away', () => {
  const states = new RoomStates();
  states.apply(ROOM, [event('a', '$1', { v: 1 })]);
  assert.equal(states.replace(ROOM, [event('a', '$1', {})]).set.length, 1);
  assert.deepEqual(states.state(ROOM, ASSIGNMENT)[0]?.content, {});
});

test('RoomStates counts what it keeps, whatever comes', () => {
  const step = fc.record({
    whole: fc.boolean(),
    drop: fc.boolean(),
    events: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('$1', '$2', '$3', '$4')), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const states = new RoomStates();
      for (const { whole, drop, events } of steps) {
        if (drop) states.drop(ROOM);
        const given = events.map(([key, id]) => event(key, id));
        if (whole) states.replace(ROOM, given);
        else states.apply(ROOM, given);
        assert.equal(states.size, states.events(ROOM).length);
        const last = new Map(given.map(({ stateKey, eventId }) => [stateKey, eventId]));
        if (whole) assert.deepEqual(shown(states), [...last].map(([key, id]) => `${key} ${id}`).toSorted());
      }
    }),
  );
});
