// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@bureau/core';
import { AliasCache } from './alias-cache.ts';

const ROOM = ['!a:b'];

test('AliasCache forgets the least recently used first, and everything after its time', () => {
  let time = 0;
  const clock: Clock = { now: () => time, monotonic: () => time, setTimer: () => ({ clear: () => undefined }) };
  const cache = new AliasCache(clock, 2, 10);
  cache.set('one', ROOM);
  cache.set('two', ROOM);
  assert.equal(cache.get('one'), ROOM);
  cache.set('three', ROOM);
  assert.deepEqual([cache.get('one'), cache.get('two'), cache.get('three')], [ROOM, undefined, ROOM]);
  cache.delete('one');
  assert.equal(cache.get('one'), undefined);
  time = 9;
  assert.equal(cache.get('three'), ROOM, 'a use does not prolong');
  time = 10;
  assert.equal(cache.get('three'), undefined);
});
