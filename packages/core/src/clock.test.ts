// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, within, type Clock } from './clock.ts';

/** A clock whose one timer is fired by hand. */
function handClock(): { clock: Clock; fire: () => void; pending: () => boolean } {
  let waiting: (() => void) | undefined;
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    setTimer(_milliseconds, callback) {
      waiting = callback;
      return {
        clear() {
          waiting = undefined;
        },
      };
    },
  };
  return { clock, fire: () => waiting?.(), pending: () => waiting !== undefined };
}

test('sleep resolves when its timer fires', async () => {
  const { clock, fire } = handClock();
  const slept = sleep(clock, 1_000);
  fire();
  await slept;
});

test('sleep rejects with the reason of an abort, and leaves no timer', async () => {
  const { clock, pending } = handClock();
  const controller = new AbortController();
  const slept = sleep(clock, 1_000, controller.signal);
  assert.equal(pending(), true);
  controller.abort(new Error('enough'));
  await assert.rejects(slept, /enough/);
  assert.equal(pending(), false);
});

test('sleep sets no timer when it is aborted before', async () => {
  const { clock, pending } = handClock();
  await assert.rejects(sleep(clock, 1_000, AbortSignal.abort(new Error('too late'))), /too late/);
  assert.equal(pending(), false);
});

test('within gives what came in time, undefined for what did not, and leaves no timer', async () => {
  const { clock, fire, pending } = handClock();
  assert.equal(await within(clock, 1_000, Promise.resolve(7)), 7);
  assert.equal(pending(), false);
  const late = within(clock, 1_000, new Promise(() => undefined));
  fire();
  assert.equal(await late, undefined);
  await assert.rejects(within(clock, 1_000, Promise.reject(new Error('broken'))), /broken/);
  assert.equal(pending(), false);
});
