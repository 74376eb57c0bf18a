// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { defaultText, fieldKind, isRequired } from './field-kind.ts';

test('fieldKind() sees through optional and pipes', () => {
  for (const [schema, kind] of [
    [v.string(), 'text'],
    [v.pipe(v.string(), v.minLength(1)), 'text'],
    [v.optional(v.pipe(v.string(), v.url())), 'text'],
    [v.picklist(['a', 'b']), 'text'],
    [v.optional(v.boolean(), true), 'boolean'],
    [v.pipe(v.array(v.string()), v.minLength(1)), 'list'],
    [v.optional(v.array(v.string()), []), 'list'],
    [v.optional(v.pipe(v.number(), v.minValue(1)), 3), 'number'],
    [v.pipe(v.pipe(v.optional(v.number()), v.number()), v.minValue(1)), 'number'],
    [undefined, 'text'],
  ] as const) {
    assert.equal(fieldKind(schema), kind);
  }
});

test('isRequired() is false for optional fields only', () => {
  assert.equal(isRequired(v.string()), true);
  assert.equal(isRequired(v.optional(v.string())), false);
});

test('defaultText() is the default of a text or number, and of nothing else', () => {
  assert.equal(defaultText(v.optional(v.picklist(['always', 'never']), 'always')), 'always');
  assert.equal(defaultText(v.optional(v.number(), 3)), '3');
  assert.equal(defaultText(v.optional(v.boolean(), true)), undefined);
  assert.equal(defaultText(v.optional(v.string())), undefined);
  assert.equal(defaultText(undefined), undefined);
});
