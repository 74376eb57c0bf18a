// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { redactText } from './redact-text.ts';

for (const [text, shown] of [
  ['nothing to hide', 'nothing to hide'],
  ['iree/amdgpu/pm started as uid 200022', 'iree/amdgpu/pm started as uid 200022'],
  ['age15td5zg5m5dc42klryuqgt0edzsu3anurskvt2ml4jp6ylu42tgusqcmun2', 'age15td5zg5m5dc42klryuqgt0edzsu3anurskvt2ml4jp6ylu42tgusqcmun2'],
  ['http://127.0.0.1:6167/_matrix', 'http://127.0.0.1:6167/_matrix'],
  ['the bearer of this', 'the bearer [secret] this'],
  ['{"a":"Bearer x.y"}', '{"a":"Bearer [secret]"}'],
  ['age-secret-key-1qqq', '[secret]'],
  ['password=a b', 'password=[secret] b'],
  ['https://a:b@c/d', 'https://[secret]@c/d'],
] as const) {
  test(`redactText shows ${JSON.stringify(text)} as ${JSON.stringify(shown)}`, () => assert.equal(redactText(text), shown));
}

test('redactText keeps JSON parseable and changes nothing twice', () => {
  const piece = fc.constantFrom(
    'Bearer ',
    'syt_',
    'a',
    '=',
    'token',
    '"',
    '\\',
    '://',
    ':',
    '@',
    'eyJaaaaaaaaa.',
    'AGE-SECRET-KEY-1',
    '-----BEGIN PRIVATE KEY-----',
    '\n',
    '[secret]',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const json = JSON.stringify({ value: pieces.join(''), other: [pieces.join('')] });
      const once = redactText(json);
      assert.deepEqual(Object.keys(JSON.parse(once) as object), ['value', 'other']);
      assert.equal(redactText(once), once);
    }),
    { numRuns: 1_000 },
  );
});

/** Time per text of a length; only the ratio counts, so that a slow machine does not matter. */
function milliseconds(text: string): number {
  const runs = [0, 1, 2].map(() => {
    const start = performance.now();
    redactText(text);
    return performance.now() - start;
  });
  return Math.min(...runs);
}

test('redactText takes time in proportion to the text, however hostile', () => {
  for (const piece of ['Bearer ', 'syt_', 'eyJaaaaaaaa.', '://a', '://:', 'tokentoken', '_', 'a', '-----BEGIN ', 'AAAA ', 'Basic  ']) {
    // A quadratic pattern takes minutes at this length, not a share of a second.
    const text = piece.repeat(Math.ceil(400_000 / piece.length));
    assert.ok(milliseconds(text) < 2_000, piece);
  }
});
