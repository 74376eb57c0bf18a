// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { distance, nearest } from './suggest.ts';

const commands = ['run', 'observe', 'agent', 'machine', 'matrix', 'doctor', 'up', 'down'];

const table: readonly [word: string, meant: string | undefined][] = [
  ['observ', 'observe'],
  ['obsrve', 'observe'],
  ['boserve', 'observe'],
  ['machnie', 'machine'],
  ['martix', 'matrix'],
  ['mach', 'machine'],
  ['rnu', 'run'],
  ['rm', undefined],
  ['xx', undefined],
  ['kubernetes', undefined],
  ['', undefined],
  ['r', undefined],
  ['x'.repeat(5_000), undefined],
];

for (const [word, meant] of table) {
  test(`nearest of ${JSON.stringify(word.slice(0, 20))} is ${meant ?? 'nothing'}`, () => {
    assert.equal(nearest(word, commands), meant);
  });
}

test('nearest prefers fewer changes, then the earlier candidate', () => {
  assert.equal(nearest('agent', ['agents', 'agent']), 'agent');
  assert.equal(nearest('statu', ['status', 'statue']), 'status');
});

test('distance is symmetric, zero only for equal words, at most the longer length', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      assert.equal(distance(a, b), distance(b, a));
      assert.equal(distance(a, b) === 0, a === b);
      assert.ok(distance(a, b) <= Math.max(a.length, b.length));
    }),
  );
});
