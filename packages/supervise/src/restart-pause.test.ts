// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESTART_FORGET_AFTER, RESTART_PAUSE_FIRST, RESTART_PAUSE_LONGEST } from './limits.ts';
import { nextRestartPause } from './restart-pause.ts';

test('nextRestartPause() starts small, doubles, and is bounded', () => {
  let pause = nextRestartPause(0, 0);
  assert.equal(pause, RESTART_PAUSE_FIRST);
  pause = nextRestartPause(pause, 10);
  assert.equal(pause, 2 * RESTART_PAUSE_FIRST);
  for (let round = 0; round < 20; round += 1) pause = nextRestartPause(pause, 10);
  assert.equal(pause, RESTART_PAUSE_LONGEST);
});

test('nextRestartPause() starts over after a healthy run', () => {
  assert.equal(nextRestartPause(RESTART_PAUSE_LONGEST, RESTART_FORGET_AFTER), RESTART_PAUSE_FIRST);
});
