// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '@bureau/core';
import { readStateAnswer, readSyncAnswer } from './sync-answer.ts';
import { MACHINE, ROOM, assignment, news } from './testing/scripted-homeserver.ts';

const NAMES = ['next_batch', 'rooms', 'join', 'invite', 'leave', 'state', 'state_after', 'timeline', 'events', 'type', 'content', ROOM];

/** Anything that JSON can say, with the members of an answer where they are not expected. */
const anything = fc.jsonValue({ maxDepth: 4 });
const twisted = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof({ depthSize: 'small' }, anything, fc.array(tie('node')), fc.dictionary(fc.constantFrom(...NAMES), tie('node'))),
})).node;

test('readSyncAnswer() reads or refuses whatever a homeserver says, and never throws anything else', () => {
  fc.assert(
    fc.property(twisted, (body) => {
      try {
        readSyncAnswer(body, MACHINE);
      } catch (error) {
        assert.ok(hasCode(error, 'homeserver_garbled'), String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('readSyncAnswer() finds every good event between any others', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 10 }), fc.array(anything, { maxLength: 10 }), (before, after) => {
      const read = readSyncAnswer(news('s1', [...before, assignment('a/one', '$one'), ...after]), MACHINE);
      assert.deepEqual(
        read.rooms.flatMap(({ state }) => state.map(({ eventId }) => eventId)),
        ['$one'],
      );
      assert.equal(read.refused.length, before.length + after.length);
    }),
  );
});

test('readSyncAnswer() takes the state after the timeline where it is said, else the newest of state and timeline', () => {
  const [old, fresh] = [assignment('a/one', '$old'), assignment('a/one', '$new')];
  const room = (parts: object): object => ({ next_batch: 's1', rooms: { join: { [ROOM]: parts } } });
  const last = (body: object): [string | undefined, boolean | undefined] => {
    const [one] = readSyncAnswer(body, MACHINE).rooms;
    return [one?.state.at(-1)?.eventId, one?.exact];
  };
  assert.deepEqual(last(room({ state: { events: [old] }, timeline: { events: [fresh] } })), ['$new', false]);
  assert.deepEqual(last(room({ state_after: { events: [old] }, timeline: { events: [fresh] } })), ['$old', true]);
  assert.deepEqual(last(room({ 'org.matrix.msc4222.state_after': { events: [old] }, timeline: { events: [fresh] } })), ['$old', true]);
});

test('readSyncAnswer() leaves out a room whose ID is none, and goes on with the others', () => {
  const rooms = { join: { 'no room': {}, __proto__: {}, [ROOM]: { state_after: { events: [assignment('a/one', '$one')] } } } };
  const read = readSyncAnswer(JSON.parse(JSON.stringify({ next_batch: 's1', rooms })), MACHINE);
  assert.deepEqual(
    read.rooms.map(({ room }) => room),
    [ROOM],
  );
  assert.ok(read.refused.length >= 1);
});

test('readStateAnswer() refuses what is no list', () => {
  for (const body of [{}, null, 'x', 7, { errcode: 'M_UNKNOWN' }])
    assert.throws(() => readStateAnswer(body, ROOM), { code: 'homeserver_garbled' });
});
