// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@bureau/core';
import { rehearse } from './rehearse.ts';

test('rehearse goes through, more than once, and leaves no timer and no handle behind', async () => {
  let timers = 0;
  const clock: Clock = { now: () => 1_000, monotonic: () => 1_000, setTimer: () => ((timers += 1), { clear: () => (timers -= 1) }) };
  const before = process.getActiveResourcesInfo().length;
  rehearse(clock);
  rehearse(clock);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(timers, 0);
  assert.equal(process.getActiveResourcesInfo().length, before);
});
