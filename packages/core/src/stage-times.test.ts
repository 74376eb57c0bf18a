// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StageTimes } from './stage-times.ts';

test('StageTimes tells each stage in milliseconds from the beginning, in their order', () => {
  let now = 100;
  const times = new StageTimes({ now: () => 0, monotonic: () => now, setTimer: () => ({ clear: () => undefined }) });
  assert.deepEqual(times.milliseconds, {});
  now = 101.26;
  times.reached('b');
  now = 110;
  times.reached('a');
  assert.deepEqual(Object.entries(times.milliseconds), [
    ['b', 1.3],
    ['a', 10],
  ]);
});
