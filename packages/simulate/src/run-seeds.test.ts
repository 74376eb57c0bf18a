// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSeedsInThread } from './index.ts';

test('runSeedsInThread() lives each seed of its range once', async () => {
  const { histories, failed, told, lived } = await runSeedsInThread(1, 5);
  assert.deepEqual([histories, failed, told], [5, [], []]);
  assert.ok(lived > 5 * 40_000, 'simulated milliseconds');
});
