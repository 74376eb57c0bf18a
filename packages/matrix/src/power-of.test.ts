// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { powerOf, requiredPower } from './power-of.ts';
import type { StateEvent } from './schemas.ts';

const event = (type: string, content: Record<string, unknown>): StateEvent => ({ type, content, state_key: '', sender: '@a:t' });
const create = (version: string, further?: string[]): StateEvent =>
  event('m.room.create', { room_version: version, ...(further === undefined ? {} : { additional_creators: further }) });
const levels = event('m.room.power_levels', { users: { '@a:t': 90, '@b:t': 50 }, users_default: 5, events: { x: 1 }, state_default: 7 });

test('powerOf: creators are unlimited from version 12, ordinary before; others as listed', () => {
  assert.equal(powerOf([create('12', ['@c:t']), levels], '@a:t'), 'unlimited');
  assert.equal(powerOf([create('12', ['@c:t']), levels], '@c:t'), 'unlimited');
  assert.equal(powerOf([create('11', ['@c:t']), levels], '@c:t'), 5);
  assert.equal(powerOf([create('11'), levels], '@a:t'), 90);
  assert.equal(powerOf([create('11'), levels], '@b:t'), 50);
  assert.equal(powerOf([create('11')], '@a:t'), 100);
  assert.equal(powerOf([create('11')], '@b:t'), 0);
  assert.equal(powerOf([create('11'), event('m.room.power_levels', { users: { '@b:t': '100' } })], '@b:t'), 0);
});

test('requiredPower: the type, else the default, else 50; without levels none', () => {
  assert.deepEqual([requiredPower([levels], 'x'), requiredPower([levels], 'y')], [1, 7]);
  assert.equal(requiredPower([event('m.room.power_levels', {})], 'x'), 50);
  assert.equal(requiredPower([], 'x'), 0);
});
