// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OutputRing, type OutputSource } from './ring.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (ring: OutputRing, most = Infinity): string[] =>
  ring.tail(most).records.map((record) => `${record.from}:${Buffer.from(record.data).toString('latin1')}`);

test('OutputRing cuts the oldest record in the middle', () => {
  const ring = new OutputRing(5);
  ring.push('output', text('abcd'));
  ring.push('error', text('efg'));
  assert.deepEqual(read(ring), ['output:cd', 'error:efg']);
  assert.equal(ring.dropped, 2);
  assert.equal(ring.size, 5);
});

test('OutputRing.tail gives no more than asked and says what is missing', () => {
  const ring = new OutputRing(10);
  ring.push('output', text('abcd'));
  ring.push('output', text('efg'));
  assert.deepEqual(read(ring, 4), ['output:defg']);
  assert.equal(ring.tail(4).missing, 3);
  assert.deepEqual(read(ring, 0), []);
  assert.equal(ring.tail(0).missing, 7);
});

test('OutputRing keeps the end of a push that is larger than itself', () => {
  const ring = new OutputRing(3);
  ring.push('output', text('abcdefgh'));
  assert.deepEqual(read(ring), ['output:fgh']);
  assert.equal(ring.dropped, 5);
});

test('OutputRing equals the tail of everything pushed, whatever the pieces', () => {
  const pushes = fc.array(fc.tuple(fc.constantFrom<OutputSource>('output', 'error'), fc.uint8Array({ maxLength: 40 })), { maxLength: 200 });
  fc.assert(
    fc.property(pushes, fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 150 }), (all, capacity, most) => {
      const ring = new OutputRing(capacity);
      for (const [from, data] of all) ring.push(from, data.slice());
      const whole = all.flatMap(([from, data]) => [...data].map((byte) => `${from}${byte}`));
      const kept = ring.tail(most).records.flatMap((record) => [...record.data].map((byte) => `${record.from}${byte}`));
      const expected = Math.min(most, capacity, whole.length);
      assert.deepEqual(kept, whole.slice(whole.length - expected));
      assert.equal(ring.tail(most).missing, whole.length - expected);
    }),
  );
});

test('OutputRing merges small pieces and bounds the number of records', () => {
  const ring = new OutputRing(1024 * 1024);
  for (let index = 0; index < 10_000; index += 1) ring.push('output', text('x'));
  assert.equal(ring.tail(Infinity).records.length, 3);
  for (let index = 0; index < 100_000; index += 1) ring.push(index % 2 === 0 ? 'output' : 'error', text('y'));
  assert.equal(ring.size, 16 * 1024);
  assert.equal(ring.dropped, 110_000 - 16 * 1024);
});

test('OutputRing.shift takes everything out in order, in pieces of the size asked for', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 6_000 }), { maxLength: 20 }), fc.integer({ min: 1, max: 5_000 }), (all, most) => {
      const ring = new OutputRing(Infinity);
      const out: Uint8Array[] = [];
      for (const [index, data] of all.entries()) {
        ring.push('output', data.slice());
        if (index % 3 === 0) out.push(ring.shift(most)?.data ?? new Uint8Array(0));
      }
      for (let record = ring.shift(most); record !== undefined; record = ring.shift(most)) out.push(record.data);
      assert.ok(out.every((piece) => piece.length <= most));
      assert.deepEqual(Buffer.concat(out), Buffer.concat(all));
      assert.equal(ring.size, 0);
      assert.equal(ring.dropped, 0);
    }),
  );
});
