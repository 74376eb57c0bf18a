// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INPUT_WAITING_BYTES } from './limits.ts';
import { PayloadInput } from './payload-input.ts';

const never = new AbortController().signal;

/** A payload that takes one write at a time, when told. */
function slowPayload(): { input: PayloadInput; taken: string[]; take: () => Promise<void> } {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  const input = new PayloadInput({
    write: (data) =>
      new Promise((resolve) => {
        waiting.push(() => {
          taken.push(Buffer.from(data).toString());
          resolve();
        });
      }),
    end: async () => void taken.push('<end>'),
  });
  const take = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { input, taken, take };
}

test('PayloadInput writes in the order of the calls, each whole, the end last', async () => {
  const { input, taken, take } = slowPayload();
  const first = Buffer.from('first');
  const writes = [input.write(first, false, never), input.write(Buffer.from('second'), true, never)];
  first.fill(0); // what arrives is a view of a receive buffer
  await take();
  assert.deepEqual(taken, ['first']);
  await take();
  await Promise.all(writes);
  assert.deepEqual(taken, ['first', 'second', '<end>']);
});

test('PayloadInput stops waiting when its caller does, and skips a write that has not begun', async () => {
  const { input, taken, take } = slowPayload();
  const stop = new AbortController();
  const begun = input.write(Buffer.from('begun'), false, stop.signal);
  const queued = input.write(Buffer.from('queued'), false, stop.signal);
  const later = input.write(Buffer.from('later'), false, never);
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort(new Error('enough'));
  await assert.rejects(begun, /enough/);
  await assert.rejects(queued, /enough/);
  await take();
  await take();
  await later;
  assert.deepEqual(taken, ['begun', 'later']);
});

test('PayloadInput bounds what waits, abandoned writes included', async () => {
  const { input, take } = slowPayload();
  const stop = new AbortController();
  const large = input.write(new Uint8Array(INPUT_WAITING_BYTES), false, stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort(new Error('enough'));
  await assert.rejects(large, /enough/);
  await assert.rejects(input.write(Buffer.from('x'), false, never), { code: 'too_busy' });
  await take();
  const small = input.write(Buffer.from('x'), false, never);
  await take();
  await small;
});
