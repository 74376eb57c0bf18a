// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StartPlan } from '@bureau/protocol';
import { filterAnswering } from './weak-filters.ts';
import { weakened, weaknessOf } from './weakness.ts';

const CONFIG = {
  options: ['--unshare-net', '--ro-bind', '/a', '/b', '--remount-ro', '/'],
  mountSources: [{ path: '/a', identity: '1:2' }],
  seccomp: new Uint8Array([1]),
} as unknown as StartPlan;

test('weakened changes what it is told, and nothing else', () => {
  assert.deepEqual(weakened(CONFIG, {}), CONFIG);
  assert.deepEqual(weakened(CONFIG, { filter: 'allows-everything' }), { ...CONFIG, seccomp: filterAnswering([], 1) });
  assert.deepEqual(weakened(CONFIG, { mountSources: 'unchecked' }), { ...CONFIG, mountSources: [] });
  const options = [
    { take: ['--unshare-net'], by: [] },
    { take: ['--ro-bind', null, '/b'], by: ['--bind', '/c', '/b'] },
    { before: ['--remount-ro', '/'], put: ['--dir', '/d'] },
  ];
  const changed = ['--bind', '/c', '/b', '--dir', '/d', '--remount-ro', '/'];
  assert.deepEqual(weakened(CONFIG, { options }), { ...CONFIG, options: changed });
});

test('weakened throws for words that are not there: its control would prove nothing', () => {
  for (const words of [['--unshare-pid'], ['--ro-bind', null, '/a'], ['/', null]])
    for (const edit of [
      { take: words, by: [] },
      { before: words, put: [] },
    ])
      assert.throws(() => weakened(CONFIG, { options: [edit] }), /do not hold/);
});

test('weaknessOf knows the principals of its file alone, and throws for what is no weakness', () => {
  const text = JSON.stringify({ 'a/b': { filter: 'allows-everything' } });
  assert.deepEqual(weaknessOf('a/b', text), { options: [], filter: 'allows-everything' });
  assert.equal(weaknessOf('a/c', text), undefined);
  for (const wrong of ['', '{"a/b":{"filter":"none"}}', '{"a/b":{"optoins":[]}}', '{"a/c":{"options":[{"take":[],"by":[]}]}}'])
    assert.throws(() => weaknessOf('a/b', wrong), wrong);
});
