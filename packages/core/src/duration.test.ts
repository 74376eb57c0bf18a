// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from './duration.ts';

const readable: readonly [string, number][] = [
  ['500ms', 500],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['2d', 172_800_000],
  ['0s', 0],
  ['1h1m1s1ms', 3_661_001],
];
for (const [text, milliseconds] of readable) {
  test(`parseDuration reads ${text}`, () => assert.equal(parseDuration(text), milliseconds));
}

for (const text of [
  '',
  '5',
  's',
  '-5s',
  '5 s',
  '5S',
  '1.5h',
  '5s ',
  ' 5s',
  '5sx',
  'x5s',
  '5s\n',
  '٥s',
  `${'9'.repeat(5_000)}s`,
  '9007199254740993ms',
  's'.repeat(5_000),
]) {
  test(`parseDuration refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    assert.throws(() => parseDuration(text), { code: 'invalid_duration' });
  });
}

test('parseDuration gives a safe integer or invalid_duration, whatever it gets', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^([0-9]{1,20}(ms|s|m|h|d)){0,5}$/));
  fc.assert(
    fc.property(text, (value) => {
      try {
        assert.ok(Number.isSafeInteger(parseDuration(value)));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid_duration');
      }
    }),
  );
});

const written: readonly [number, string][] = [
  [0, '0 ms'],
  [420.4, '420 ms'],
  [999.6, '1.0 s'],
  [3_200, '3.2 s'],
  [59_940, '59.9 s'],
  [59_960, '1 m 0 s'],
  [310_000, '5 m 10 s'],
  [3_599_999, '59 m 59 s'],
  [7_440_000, '2 h 4 m'],
];
for (const [milliseconds, text] of written) {
  test(`formatDuration writes ${milliseconds} as ${text}`, () => assert.equal(formatDuration(milliseconds), text));
}
