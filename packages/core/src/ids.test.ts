// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randomId } from './ids.ts';

test('randomId gives one character of a-z and 2-7 for each byte', () => {
  assert.equal(
    randomId(4, () => Uint8Array.of(0, 25, 26, 31)),
    'az27',
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
      assert.match(
        randomId(bytes.length, () => bytes),
        new RegExp(`^[a-z2-7]{${bytes.length}}$`),
      );
    }),
  );
});

test('randomId uses five bits of each byte alike', () => {
  const all = randomId(256, () => Uint8Array.from({ length: 256 }, (_, index) => index));
  for (const character of new Set(all)) assert.equal(all.split(character).length - 1, 8);
  assert.equal(new Set(all).size, 32);
});
