// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyRedactor } from './body-redactor.ts';

const KEY = 'sk-abc-abd-xyz';
const BLANKED = '*'.repeat(KEY.length);

/** All that comes out of these pieces, each by itself. */
function outOf(pieces: readonly string[], needles: readonly string[] = [KEY]): string[] {
  const redactor = new BodyRedactor(needles.map((needle) => Buffer.from(needle)));
  const out = pieces.map((piece) => redactor.push(Buffer.from(piece)).toString());
  return [...out, redactor.end().toString()];
}

test('a key is blanked wherever it stands, and the length stays', () => {
  assert.deepEqual(outOf([`${KEY}`]), [BLANKED, '']);
  assert.deepEqual(outOf([`a${KEY}b${KEY}${KEY}c`]), [`a${BLANKED}b${BLANKED}${BLANKED}c`, '']);
  assert.deepEqual(outOf(['', 'nothing', '']), ['', 'nothing', '', '']);
});

test('text that ends in the first letters of a key is not late; what may be a key is held until it is known', () => {
  assert.deepEqual(outOf(['this', ' is']), ['this', ' is', '']);
  assert.deepEqual(outOf(['x sk-', 'y']), ['x sk-', 'y', '']);
  assert.deepEqual(outOf(['x sk-a', 'y']), ['x ', 'sk-ay', '']);
  assert.deepEqual(outOf(['x sk-abc-ab']), ['x ', 'sk-abc-ab']);
});

test('of a key that is cut after three letters, those are all that is seen', () => {
  assert.deepEqual(outOf([KEY.slice(0, 3), KEY.slice(3)]), [KEY.slice(0, 3), '*'.repeat(KEY.length - 3), '']);
  assert.deepEqual(outOf(KEY.split('')).join(''), `${KEY.slice(0, 3)}${'*'.repeat(KEY.length - 3)}`);
});

test('keys that lie across each other are both blanked', () => {
  assert.deepEqual(outOf(['0abcdefgh9'], ['abcdef', 'defgh']), ['0********9', '']);
});

test('property: however a body is cut, its length stays, nothing else changes, and no key but its first letters is left', () => {
  const letters = fc.constantFrom('s', 'k', '-', 'a', 'b', KEY, KEY.slice(0, 5), KEY.slice(0, 9), '\n');
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 30 }), fc.array(fc.nat(12), { maxLength: 40 }), (parts, cuts) => {
      const body = parts.join('');
      const pieces: string[] = [];
      let at = 0;
      for (const cut of cuts) pieces.push(body.slice(at, (at += cut)));
      pieces.push(body.slice(at));
      const out = outOf(pieces).join('');
      assert.equal(out.length, body.length);
      assert.ok(!out.includes(KEY));
      const whole = body.replaceAll(KEY, BLANKED);
      for (let index = 0; index < body.length; index += 1) {
        if (out[index] === whole[index]) continue;
        // Three letters at most went out before it was known.
        const start = body.lastIndexOf(KEY, index);
        assert.ok(start !== -1 && index - start < 3 && out[index] === body[index], `${index} of ${JSON.stringify(pieces)}`);
      }
    }),
    { numRuns: 2_000 },
  );
});
