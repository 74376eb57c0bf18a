// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { systemClock } from './index.ts';

test('systemClock timers do not keep a process alive', () => {
  const script = `import { systemClock } from ${JSON.stringify(import.meta.resolve('./system-clock.ts'))}; systemClock.setTimer(60_000, () => {});`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000, stdio: 'inherit' });
  assert.equal(result.status, 0);
});

test('systemClock.setTimer() fires once after its time, not at once when the time is beyond what Node can do', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let fired = 0;
  const far = 2 ** 31 + 1_000;
  systemClock.setTimer(far, () => (fired += 1));
  t.mock.timers.tick(2 ** 31 - 1);
  assert.equal(fired, 0);
  t.mock.timers.tick(1_001);
  assert.equal(fired, 1);
});

test('systemClock.setTimer() that is cleared never fires', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  systemClock.setTimer(2 ** 31 + 5, () => assert.fail('cleared')).clear();
  const rearmed = systemClock.setTimer(2 ** 31 + 5, () => assert.fail('cleared after the first part'));
  t.mock.timers.tick(2 ** 31);
  rearmed.clear();
  t.mock.timers.tick(10_000);
});

test('systemClock.monotonic() never goes back', () => {
  const first = systemClock.monotonic();
  assert.ok(systemClock.monotonic() >= first);
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1_000);
});
