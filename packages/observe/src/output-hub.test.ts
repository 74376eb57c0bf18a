// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@bureau/core';
import { CONTROL_HIGH_WATER_BYTES, CONTROL_LOW_WATER_BYTES, OBSERVERS_MAX, OBSERVER_QUEUE_BYTES } from './limits.ts';
import type { Observer } from './observer.ts';
import { OutputHub } from './output-hub.ts';

const never = new AbortController().signal;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function hubWithPressure(): { hub: OutputHub; pressure: boolean[] } {
  const pressure: boolean[] = [];
  return { hub: new OutputHub({ onPressure: (paused) => pressure.push(paused) }), pressure };
}

/** Everything that an ended observer still gives, data as text. */
async function rest(observer: Observer): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let chunk = await observer.next(never); chunk !== null; chunk = await observer.next(never)) {
    all.push(
      chunk.type === 'output' ? `${chunk.from}:${Buffer.from(chunk.data).toString()}` : chunk.type === 'dropped' ? chunk.bytes : chunk.type,
    );
  }
  return all;
}

test('OutputHub gives size, past, live, then what comes, then the end', async () => {
  const { hub } = hubWithPressure();
  hub.resized({ columns: 80, rows: 24 });
  hub.publish('output', text('past'));
  const observer = hub.attach({ mode: 'observe', replay: 100 });
  hub.publish('error', text('new'));
  hub.end();
  assert.deepEqual(await rest(observer), ['size', 'output:past', 'live', 'error:new']);
  assert.deepEqual(await rest(hub.attach({ mode: 'observe', replay: 3 })), ['size', 4, 'error:new', 'live']);
});

test('OutputHub pauses the payload for its control observer and sets it free when enough was taken', async () => {
  const { hub, pressure } = hubWithPressure();
  const observer = hub.attach({ mode: 'control', replay: 0 });
  assert.equal((await observer.next(never))?.type, 'live');
  const piece = new Uint8Array(32 * 1024);
  for (let sent = 0; sent <= CONTROL_HIGH_WATER_BYTES; sent += piece.length) hub.publish('output', piece);
  assert.deepEqual(pressure, [true]);
  while (observer.waiting > CONTROL_LOW_WATER_BYTES) await observer.next(never);
  assert.deepEqual(pressure, [true, false]);
});

test('OutputHub sets the payload free when its control observer leaves, and at the end', () => {
  for (const leave of [(_: OutputHub, observer: Observer) => observer.close(), (hub: OutputHub) => hub.release()]) {
    const { hub, pressure } = hubWithPressure();
    const observer = hub.attach({ mode: 'control', replay: 0 });
    hub.publish('output', new Uint8Array(CONTROL_HIGH_WATER_BYTES + 1));
    leave(hub, observer);
    assert.deepEqual(pressure, [true, false]);
  }
});

test('OutputHub never pauses for an observe observer, which loses the oldest', async () => {
  const { hub, pressure } = hubWithPressure();
  const observer = hub.attach({ mode: 'observe', replay: 0 });
  const piece = 64 * 1024;
  for (let sent = 0; sent < OBSERVER_QUEUE_BYTES + 3 * piece; sent += piece) hub.publish('output', new Uint8Array(piece));
  assert.deepEqual(pressure, []);
  assert.equal(observer.waiting, OBSERVER_QUEUE_BYTES);
  assert.equal((await observer.next(never))?.type, 'live');
  assert.deepEqual(await observer.next(never), { type: 'dropped', bytes: 3 * piece });
});

test('OutputHub has one control observer at a time, and a bound on all', async () => {
  const { hub } = hubWithPressure();
  let controlled = false;
  void hub.controlled.then(() => (controlled = true));
  const first = hub.attach({ mode: 'control', replay: 0 });
  await hub.controlled;
  assert.ok(controlled);
  assert.throws(() => hub.attach({ mode: 'control', replay: 0 }), { code: 'control_taken' });
  first.close();
  hub.attach({ mode: 'control', replay: 0 });
  while (hub.observers < OBSERVERS_MAX) hub.attach({ mode: 'observe', replay: 0 });
  assert.throws(() => hub.attach({ mode: 'observe', replay: 0 }), { code: 'too_many_observers' });
});

test('Observer.next waits, and heeds its signal and close', async () => {
  const { hub } = hubWithPressure();
  const observer = hub.attach({ mode: 'observe', replay: 0 });
  await observer.next(never);
  const stop = new AbortController();
  const waiting = observer.next(stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  const again = observer.next(never);
  observer.close();
  assert.equal(await again, null);
  assert.equal(hub.observers, 0);
});

test('OutputHub.drain waits for those who read, and closes those who do not', async () => {
  const timers = new Set<() => void>();
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    setTimer: (_, callback) => {
      timers.add(callback);
      return { clear: () => timers.delete(callback) };
    },
  };
  const { hub } = hubWithPressure();
  const reader = hub.attach({ mode: 'observe', replay: 0 });
  const stuck = hub.attach({ mode: 'observe', replay: 0 });
  hub.publish('output', text('x'));
  hub.end();
  const drained = hub.drain(clock, 5_000, 60_000);
  assert.deepEqual(await rest(reader), ['live', 'output:x']);
  reader.close();
  await Promise.resolve();
  assert.ok(!stuck.closed);
  now = 5_000;
  for (const timer of [...timers]) timer();
  await drained;
  assert.ok(stuck.closed);
  assert.equal(timers.size, 0);
});
