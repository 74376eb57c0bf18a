// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Clock } from '@bureau/core';
import { QUIET_LATEST_MILLISECONDS, QUIET_MILLISECONDS } from './lifecycle-limits.ts';
import { QuietMoment } from './quiet-moment.ts';

/** A clock whose timers end when they are told to. */
function quietMoment(context: TestContext): { readonly quiet: QuietMoment; readonly pass: (milliseconds: number) => Promise<void> } {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let passed = 0;
  const clock: Clock = {
    now: () => 0,
    monotonic: () => passed,
    setTimer: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return { clear: () => clearTimeout(timer) };
    },
  };
  const pass = async (milliseconds: number): Promise<void> => {
    passed += milliseconds;
    context.mock.timers.tick(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { quiet: new QuietMoment(clock), pass };
}

/** Whether a promise has resolved by now. */
function watched(promise: Promise<void>): { readonly isOver: () => boolean } {
  let over = false;
  void promise.then(() => (over = true));
  return { isOver: () => over };
}

test('QuietMoment.wait() resolves when each start has had its moment, for all who wait', async (context) => {
  const { quiet, pass } = quietMoment(context);
  const [first, second] = [quiet.begin(), quiet.begin()];
  const waits = [watched(quiet.wait()), watched(quiet.wait())];
  first(true);
  first(true); // a second time counts for nothing
  await pass(QUIET_MILLISECONDS);
  assert.deepEqual(
    waits.map(({ isOver }) => isOver()),
    [false, false],
  );
  second(true);
  await pass(QUIET_MILLISECONDS - 1);
  const third = quiet.begin();
  await pass(QUIET_MILLISECONDS);
  assert.deepEqual(
    waits.map(({ isOver }) => isOver()),
    [false, false],
    'another start began meanwhile',
  );
  third(true);
  const fourth = quiet.begin();
  fourth(true);
  await pass(QUIET_MILLISECONDS);
  assert.deepEqual(
    waits.map(({ isOver }) => isOver()),
    [false, false],
    'two payloads need the processors one after the other',
  );
  await pass(QUIET_MILLISECONDS);
  assert.deepEqual(
    waits.map(({ isOver }) => isOver()),
    [true, true],
  );
});

test('QuietMoment.wait() resolves in time when starts never end', async (context) => {
  const { quiet, pass } = quietMoment(context);
  quiet.begin();
  const wait = watched(quiet.wait());
  await pass(QUIET_LATEST_MILLISECONDS - 1);
  assert.equal(wait.isOver(), false);
  await pass(1);
  assert.equal(wait.isOver(), true);
});

test('QuietMoment.wait() resolves when nothing was ever started', async (context) => {
  const { quiet, pass } = quietMoment(context);
  const wait = watched(quiet.wait());
  await pass(QUIET_MILLISECONDS);
  assert.equal(wait.isOver(), true);
});

test('QuietMoment.wait() gives no time to starts that failed, and hurries when it is told to', async (context) => {
  const { quiet, pass } = quietMoment(context);
  for (let count = 0; count < 100; count += 1) quiet.begin()(false);
  const wait = watched(quiet.wait());
  await pass(0);
  assert.equal(wait.isOver(), true);
  quiet.begin();
  const hurry = new AbortController();
  const hurried = watched(quiet.wait(hurry.signal));
  await pass(1);
  assert.equal(hurried.isOver(), false);
  hurry.abort();
  await pass(0);
  assert.equal(hurried.isOver(), true);
  await quiet.wait(hurry.signal);
});
