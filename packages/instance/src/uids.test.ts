// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PRINCIPAL_NUMBER_MAX, UID_RANGE } from './limits.ts';
import { uidsOf } from './uids.ts';

test('uidsOf has the numbers of the design', () => {
  const uids = uidsOf(200_000);
  assert.deepEqual(
    [uids.daemon, uids.homeserver, uids.payload(0), uids.proxy(0), uids.payload(3), uids.proxy(3)],
    [200_000, 200_001, 200_016, 200_017, 200_022, 200_023],
  );
});

test('uidsOf gives every part a uid of its own inside the range', () => {
  const number = fc.integer({ min: 0, max: PRINCIPAL_NUMBER_MAX });
  fc.assert(
    fc.property(number, number, (a, b) => {
      const uids = uidsOf(200_000);
      const all = [uids.daemon, uids.homeserver, uids.payload(a), uids.proxy(a)];
      if (a !== b) all.push(uids.payload(b), uids.proxy(b));
      assert.equal(new Set(all).size, all.length);
      for (const uid of all) assert.ok(uid >= 200_000 && uid < 200_000 + UID_RANGE);
    }),
  );
});

test('uidsOf refuses a number whose uid would be the next instance', () => {
  for (const number of [-1, PRINCIPAL_NUMBER_MAX + 1, 1.5, Number.NaN, Infinity]) {
    assert.throws(() => uidsOf(200_000).payload(number), { code: 'principal_number_invalid' });
    assert.throws(() => uidsOf(200_000).proxy(number), { code: 'principal_number_invalid' });
  }
});
