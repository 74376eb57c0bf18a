// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonc } from './jsonc.ts';

test('parseJsonc takes comments and trailing commas, and leaves strings alone', () => {
  const text = '{ // one\n "a": "// no, a \\" string /*", /* two\n lines */ "b": [1, 2, /* x */ ], "c": ",]",\n}';
  assert.deepEqual(parseJsonc(text, 'f'), { a: '// no, a " string /*', b: [1, 2], c: ',]' });
});

test('parseJsonc gives back whatever JSON is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.deepEqual(parseJsonc(JSON.stringify(value, undefined, 1), 'f'), JSON.parse(JSON.stringify(value))),
    ),
  );
});

test('parseJsonc says where it is not JSON, and quotes nothing of it', () => {
  assert.throws(
    () => parseJsonc(`{\n "a": hunter2, "b": "${'x'.repeat(100)}" }`, 'f.jsonc'),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'services_malformed');
      assert.match(error.message, /f\.jsonc/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    },
  );
});
