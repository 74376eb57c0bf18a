// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import fc from 'fast-check';
import { keyLines } from './key-lines.ts';
import { needlesIn, needlesOf } from './needles.ts';

/** What is searched for in answers of an upstream that has this key. */
function needles(key: Buffer): string[] {
  using secret = SecretBytes.from(Buffer.from(key));
  using found = needlesOf({ inject: [{ header: 'x-key', secret: 'KEY', prefix: '' }] } as never, ['KEY'], () => secret);
  for (const needle of found.list) {
    // What is left out for its anchor must not be there.
    const isFound = needlesIn(Buffer.concat([Buffer.from('a'), needle.bytes, Buffer.from('b')]), found.list).includes(needle);
    assert.ok(isFound, needle.bytes.toString('latin1'));
  }
  return found.list.map(({ bytes }) => bytes.toString('latin1'));
}

/** Of a key of ten bytes and more, whatever stands before and behind it. */
const around = fc.uint8Array({ maxLength: 5 });
const keys = fc.uint8Array({ min: 0x21, max: 0x7e, minLength: 10, maxLength: 40 });

test('needlesOf() has a key as it is, and as encodeURIComponent writes it with large and small digits', () => {
  assert.deepEqual(needles(Buffer.from('sk-first-key')).slice(0, 1), ['sk-first-key']);
  fc.assert(
    fc.property(fc.uint8Array({ min: 1, minLength: 8, maxLength: 40 }), (bytes) => {
      const plain = Buffer.from(bytes).toString('latin1');
      const escaped = encodeURIComponent(plain);
      const found = needles(Buffer.from(bytes));
      for (const form of [plain, escaped, escaped.replace(/%../g, (one) => one.toLowerCase())]) assert.ok(found.includes(form), form);
      assert.equal(new Set(found).size, found.length, 'each once');
    }),
  );
});

test('needlesOf() finds a key in JSON as usual encoders write it', () => {
  const u = (one: string): string => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const U = (one: string): string => `\\u${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  const encoders: readonly ((key: string) => string)[] = [
    (key) => JSON.stringify(key),
    (key) => JSON.stringify(key).replaceAll('/', String.raw`\/`),
    // Go, and Rails.
    (key) => JSON.stringify(key).replaceAll(/[<>&]/g, u),
    // Gson.
    (key) => JSON.stringify(key).replaceAll(/[<>&'=]/g, u),
    // .NET.
    (key) => `"${key.replaceAll('\\', String.raw`\\`).replaceAll(/[<>&'+`"]/g, U)}"`,
    // PHP with JSON_HEX_TAG and JSON_HEX_AMP.
    (key) =>
      JSON.stringify(key)
        .replaceAll('/', String.raw`\/`)
        .replaceAll(/[<>&]/g, U),
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...Array.from('ab0-_/+=<>&\'`"\\')), { minLength: 8, maxLength: 40 }), (letters) => {
      const key = letters.join('');
      const found = needles(Buffer.from(key));
      for (const encode of encoders)
        assert.ok(
          found.some((needle) => encode(key) === `"${needle}"`),
          `${encode(key)} of ${key}`,
        );
    }),
  );
});

test('needlesOf() finds a key in base64 of either alphabet, whatever stands before and behind it', () => {
  fc.assert(
    fc.property(around, keys, around, (before, key, behind) => {
      const found = needles(Buffer.from(key));
      const text = Buffer.concat([before, key, behind]);
      for (const coding of ['base64', 'base64url'] as const) {
        const coded = text.toString(coding);
        const inside = found.find((needle) => coded.includes(needle));
        assert.ok(inside !== undefined, coded);
        assert.ok(inside.length * 6 >= key.length * 8 - 10, 'at most five bits of either end are beside it');
      }
      // Control: not in that of something else.
      const other = Buffer.from(text.map((byte) => byte ^ 0x55)).toString('base64');
      assert.ok(!found.some((needle) => other.includes(needle)));
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
  using found = needlesOf(rule, ['KEY'], () => secret);
  const needles = found.list.map(({ bytes }) => bytes.toString('latin1'));
  const expected = [
    key,
    'ab%2Fcd%2Be%3Df',
    'ab%2fcd%2be%3df',
    String.raw`ab\/cd+e=f`,
    String.raw`ab/cd+e\u003df`,
    String.raw`ab\/cd\u002Be=f`,
    basic,
  ];
  for (const form of [...expected, Buffer.from(key).toString('base64')]) assert.ok(needles.includes(form), form);
  assert.equal(needles.length, 1 + 2 + 9 + 3 + 1, needles.join(' '));
});
