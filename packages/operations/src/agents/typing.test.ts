// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizeOf } from './typing.ts';

test('sizeOf is silent about a terminal that has no size or says 0', () => {
  assert.deepEqual(sizeOf({ columns: 80, rows: 24 }), { columns: 80, rows: 24 });
  for (const [columns, rows] of [
    [0, 24],
    [80, 0],
    [0, 0],
  ] as const)
    assert.equal(sizeOf({ columns, rows }), undefined);
  assert.equal(sizeOf({}), undefined);
});
