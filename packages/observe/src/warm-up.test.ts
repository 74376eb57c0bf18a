// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Clock } from '@bureau/core';
import { rehearse, warmUpRelay } from './warm-up.ts';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds).unref();
    return { clear: () => clearTimeout(timer) };
  },
};

test('rehearse goes through a whole life, with a terminal and without', async () => {
  for (const terminal of [true, false]) {
    const { stages, code } = await rehearse(terminal, clock);
    assert.deepEqual(stages, ['configured', 'serving', 'started', 'released', 'output', 'ended', 'reported'], `terminal ${terminal}`);
    assert.equal(code, 0);
  }
});

test('warmUpRelay leaves no descriptor, child or timer behind', async () => {
  await warmUpRelay(clock);
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  await warmUpRelay(clock);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(descriptors(), before);
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => !/^(PipeWrap|TTYWrap|Timeout)$/.test(name)),
    [],
  );
});
