// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@bureau/core';
import { Problem } from '../problem.ts';
import { RoomQueues } from './room-queues.ts';

/** A clock that stands until it is moved; timers run in order. */
class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimer(milliseconds: number, run: () => void): { clear: () => void } {
    const timer = { at: this.#now + milliseconds, run };
    this.#timers.push(timer);
    return { clear: () => (this.#timers = this.#timers.filter((one) => one !== timer)) };
  }

  get waiting(): number {
    return this.#timers.length;
  }

  async advance(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const limited = (milliseconds: number): Problem =>
  new Problem(429, 'matrix_rate_limited', 'later', { extensions: { retry_after_ms: milliseconds } });
const never = new AbortController().signal;

test('RoomQueues: one after the other in a room, side by side in others', async () => {
  const queues = new RoomQueues(new ManualClock(), 10, 1_000);
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const runs = [
    queues.run('a', never, () => first.promise.then(() => order.push('a1'))),
    queues.run('a', never, async () => order.push('a2')),
    queues.run('b', never, async () => order.push('b1')),
  ];
  await settled();
  assert.deepEqual(order, ['b1']);
  first.resolve();
  await Promise.all(runs);
  assert.deepEqual(order, ['b1', 'a1', 'a2']);
});

test('RoomQueues: a pause that the homeserver asks for is kept, holds what waits behind, and ends in success', async () => {
  const clock = new ManualClock();
  const queues = new RoomQueues(clock, 10, 10_000);
  let tries = 0;
  const first = queues.run('a', never, async () => {
    tries += 1;
    if (tries < 3) throw limited(2_000);
    return 'sent';
  });
  let second = false;
  const behind = queues.run('a', never, async () => {
    second = true;
  });
  await settled();
  await clock.advance(1_999);
  assert.equal(tries, 1);
  await clock.advance(1);
  assert.deepEqual([tries, second], [2, false]);
  await clock.advance(2_000);
  assert.equal(await first, 'sent');
  await behind;
  assert.deepEqual([second, clock.waiting], [true, 0]);
});

test('RoomQueues: a pause beyond the time goes to the agent at once; another failure is not tried again', async () => {
  const clock = new ManualClock();
  const queues = new RoomQueues(clock, 10, 1_000);
  await assert.rejects(
    queues.run('a', never, () => Promise.reject(limited(1_001))),
    { code: 'matrix_rate_limited' },
  );
  let tries = 0;
  const failing = queues.run('a', never, () => {
    tries += 1;
    return Promise.reject(new Problem(502, 'upstream_failed', 'broken'));
  });
  await assert.rejects(failing, { code: 'upstream_failed' });
  assert.deepEqual([tries, clock.waiting], [1, 0]);
});

test('RoomQueues: full, slow and given up', async () => {
  const clock = new ManualClock();
  const queues = new RoomQueues(clock, 2, 1_000);
  const first = Promise.withResolvers<void>();
  const running = queues.run('a', never, () => first.promise);
  const gone = new AbortController();
  let sent = 0;
  const waiting = queues.run('a', gone.signal, async () => (sent += 1));
  await assert.rejects(
    queues.run('a', never, async () => (sent += 1)),
    { code: 'room_queue_full' },
  );
  gone.abort(new Error('gone'));
  await assert.rejects(waiting, { message: 'gone' });
  const slow = assert.rejects(
    queues.run('a', never, async () => (sent += 1)),
    { code: 'room_queue_slow' },
  );
  await settled();
  await clock.advance(1_000);
  await slow;
  first.resolve();
  await running;
  assert.equal(await queues.run('a', never, async () => 'after'), 'after');
  assert.deepEqual([sent, clock.waiting], [0, 0]);
});
