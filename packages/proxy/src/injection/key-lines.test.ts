// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretBytes } from '@bureau/secret';
import fc from 'fast-check';
import { needlesOf } from './key-lines.ts';

/** What is searched for in answers of an upstream that has this key. */
function needles(key: Buffer): string[] {
  using secret = SecretBytes.from(Buffer.from(key));
  const found = needlesOf({ inject: [{ header: 'x-key', secret: 'KEY', prefix: '' }] } as never, ['KEY'], () => secret);
  try {
    return found.map(({ bytes }) => bytes.toString('latin1'));
  } finally {
    for (const needle of found) needle[Symbol.dispose]();
  }
}

test('needlesOf() has a key as it is, as encodeURIComponent writes it with large and small digits, and with "/" escaped', () => {
  assert.deepEqual(needles(Buffer.from('sk-first-key')), ['sk-first-key']);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 40 }), (bytes) => {
      const plain = Buffer.from(bytes).toString('latin1');
      const escaped = encodeURIComponent(plain);
      const forms = [plain, escaped, escaped.replace(/%../g, (one) => one.toLowerCase()), plain.replaceAll('/', String.raw`\/`)];
      assert.deepEqual(new Set(needles(Buffer.from(bytes))), new Set(forms));
    }),
  );
});
