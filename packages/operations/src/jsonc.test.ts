// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readJsonc } from './jsonc.ts';

const TEXT = `{
  // a comment
  "one": { "deep": [1, { "x": "y" }] }, /* another */
  "two": "// none",
}`;

test('readJsonc reads values, and says where each stands', () => {
  const read = readJsonc(TEXT);
  assert.ok(read.ok);
  const { value, placeOf } = read.document;
  assert.deepEqual(value, { one: { deep: [1, { x: 'y' }] }, two: '// none' });
  assert.deepEqual(placeOf([]), { line: 1, column: 1 });
  assert.deepEqual(placeOf(['one', 'deep', 1, 'x']), { line: 3, column: 31 });
  assert.deepEqual(placeOf(['one', 'deep', 1, 'x'], true), { line: 3, column: 26 });
  assert.deepEqual(placeOf(['one', 'missing']), { line: 3, column: 10 }, 'the nearest thing around it');
  assert.deepEqual(readJsonc('{"a":1}\r\n').ok, true);
});

test('readJsonc gives back whatever JSON is, odd names included', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value, undefined, 1);
      const read = readJsonc(text);
      assert.ok(read.ok, text);
      assert.deepEqual(read.document.value, JSON.parse(text));
    }),
  );
  const read = readJsonc('{"__proto__": {"polluted": 1}, "constructor": 2}');
  assert.ok(read.ok);
  assert.deepEqual(Object.keys(read.document.value as object), ['__proto__', 'constructor']);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('readJsonc tells every fault with its place, and quotes nothing', () => {
  const faults = (text: string): unknown => {
    const read = readJsonc(text);
    return read.ok ? [] : read.faults.map(({ line, column, message }) => `${line}:${column} ${message}`);
  };
  assert.deepEqual(faults('{\n  "a": hunter2\n}'), ['2:8 this is not JSON: invalid symbol', '3:1 expected a value']);
  assert.deepEqual(faults('{"a": 1 "b": 2}'), ['1:9 expected a comma']);
  assert.deepEqual(faults(''), ['1:1 expected a value']);
  assert.deepEqual(faults('{"a": 1,\n "a": 2, "b": {"c": 1, "c": 1}}'), [
    '2:2 this name stands twice in one object',
    '2:24 this name stands twice in one object',
  ]);
  assert.deepEqual(faults(`${'['.repeat(100_000)}`), ['1:65 expected at most 64 levels']);
  for (const text of ['{', '[1,,2]', '"open', '{} {}', '{"a" 1}']) assert.notDeepEqual(faults(text), [], text);
});
