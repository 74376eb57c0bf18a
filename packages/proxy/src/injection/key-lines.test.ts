// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import fc from 'fast-check';
import { keyLines, needlesOf } from './key-lines.ts';

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

test('keyLines() and needlesOf() make no string of a key, which would stay in memory as it is', () => {
  const key = 'ab/cd+e=f';
  using secret = SecretBytes.from(Buffer.from(key));
  for (const name of ['toString', 'latin1Slice', 'utf8Slice', 'asciiSlice', 'base64Slice', 'hexSlice'])
    Object.defineProperty(secret.bytes, name, { value: () => assert.fail(`${name} makes a string of a key`) });
  const inject: UpstreamRule['inject'] = [
    { secret: 'KEY', header: 'X-Api-Key', prefix: 'Key ' },
    { secret: 'KEY', cookie: 'session' },
    { secret: 'KEY', basic: 'user' },
    { secret: 'KEY', query: 'key' },
  ];
  const rule: UpstreamRule = { url: 'https://a.invalid', inject };
  const basic = Buffer.from(`user:${key}`).toString('base64');
  using lines = keyLines(rule, () => secret);
  assert.equal(lines.bytes.toString('latin1'), `x-api-key: Key ${key}\r\nauthorization: Basic ${basic}\r\ncookie: session=${key}\r\n`);
  using found = new DisposableStack();
  const needles = needlesOf(rule, ['KEY'], () => secret).map((needle) => found.use(needle).bytes.toString('latin1'));
  assert.deepEqual(needles, [key, 'ab%2Fcd%2Be%3Df', 'ab%2fcd%2be%3df', String.raw`ab\/cd+e=f`, basic]);
});
