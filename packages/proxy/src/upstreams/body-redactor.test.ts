// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { needleOf } from '../injection/needles.ts';
import { BodyRedactor } from './body-redactor.ts';

const KEY = 'sk-abc-abd-xyz-0123456789';
const BLANKED = '*'.repeat(KEY.length);
/** Letters of a key that may be seen when it is cut behind them. */
const SEEN = 11;

/** All that comes out of these pieces, each by itself. */
function outOf(pieces: readonly string[], needles: readonly string[] = [KEY], waits = true): string[] {
  const redactor = new BodyRedactor(
    needles.map((needle) => needleOf(Buffer.from(needle))),
    waits,
  );
  const out = pieces.map((piece) => redactor.push(Buffer.from(piece)).toString());
  return [...out, redactor.end().toString()];
}

test('a key is blanked wherever it stands, and the length stays', () => {
  assert.deepEqual(outOf([KEY]), ['*'.repeat(1), '*'.repeat(KEY.length - 1)]);
  assert.deepEqual(outOf([`a${KEY}b${KEY}${KEY} c`]), [`a${BLANKED}b${BLANKED}${BLANKED} c`, '']);
  assert.deepEqual(outOf(['', 'nothing', '']), ['', 'nothing', '', '']);
});

test('words, lines, events and JSON are not late; what may be a part of any key waits until it is known', () => {
  for (const piece of ['this is', 'data: x\n\n', '{"a":"0123456789abcdef"}', `${KEY.slice(0, SEEN)}`])
    assert.deepEqual(outOf([piece, ' ']), [piece, ' ', '']);
  assert.deepEqual(outOf([`x ${KEY.slice(0, 15)}`, ' y']), ['x ', `${KEY.slice(0, 15)} y`, '']);
  assert.deepEqual(outOf([`x ${KEY.slice(0, 15)}`]), ['x ', KEY.slice(0, 15)]);
});

test('of a key that is cut, eleven letters are all that is seen', () => {
  assert.deepEqual(outOf([KEY.slice(0, SEEN), KEY.slice(SEEN)]).join(''), KEY.slice(0, SEEN) + '*'.repeat(KEY.length - SEEN));
  assert.deepEqual(outOf([`: ${KEY.slice(0, 20)}`, `${KEY.slice(20)} `]).join(''), `: ${BLANKED} `);
  assert.deepEqual(outOf(KEY.split('')).join(''), KEY.slice(0, SEEN) + '*'.repeat(KEY.length - SEEN));
});

test('a key that JSON has escaped is blanked where it is cut, too', () => {
  const escaped = String.raw`sk\/abc\u002bdef\/0123456789`;
  for (let cut = SEEN + 1; cut < escaped.length; cut += 1)
    assert.deepEqual(outOf([`"${escaped.slice(0, cut)}`, `${escaped.slice(cut)}"`], [escaped]).join(''), `"${'*'.repeat(escaped.length)}"`);
});

test('without waiting all goes out at once, and what is left of a key is blanked', () => {
  assert.deepEqual(outOf([`x ${KEY.slice(0, 20)}`, `${KEY.slice(20)}`], [KEY], false), [
    `x ${KEY.slice(0, 20)}`,
    '*'.repeat(KEY.length - 20),
    '',
  ]);
});

test('keys that lie across each other are both blanked', () => {
  assert.deepEqual(outOf([' abcdefgh9 '], ['abcdef', 'defgh']), [' ********9 ', '']);
});

test('property: when pieces go out says nothing about the key: with another of its length they go out alike', () => {
  const other = 'ABCDEFGHIJKLMNOPQRSTUVWXY';
  const parts = fc.array(fc.constantFrom('sk', '-', 'abc', ' ', KEY.slice(0, 5), KEY.slice(0, 14), KEY.slice(0, 24), '\n', '"'), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), (pieces) => {
      const texts = pieces.map((one) => one.join(''));
      if (texts.join('').includes(KEY)) return;
      assert.deepEqual(outOf(texts, [KEY]), outOf(texts, [other]));
    }),
    { numRuns: 2_000 },
  );
});

test('property: however a body is cut, its length stays, nothing else changes, and no key but its first letters is left', () => {
  const letters = fc.constantFrom('s', 'k', '-', 'a', 'b', KEY, KEY.slice(0, 5), KEY.slice(0, 16), '\n');
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
        const start = body.lastIndexOf(KEY, index);
        assert.ok(start !== -1 && index - start < SEEN && out[index] === body[index], `${index} of ${JSON.stringify(pieces)}`);
      }
    }),
    { numRuns: 2_000 },
  );
});
