// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInstanceName } from '@bureau/core';
import fc from 'fast-check';
import { INSTANCES_MAX, UID_BASE_FIRST, UID_RANGE } from './limits.ts';
import { accountNumbers, collision, formatUidRecords, freeBase, parseUidRecords, subordinateRanges } from './uid-ranges.ts';

const name = fc.oneof(fc.constant(''), fc.stringMatching(/^[a-z0-9]{1,12}$/)).map(parseInstanceName);
const base = fc.integer({ min: 0, max: INSTANCES_MAX - 1 }).map((index) => UID_BASE_FIRST + index * UID_RANGE);
const records = fc
  .uniqueArray(fc.tuple(name, base), { selector: ([key]) => key })
  .filter((list) => new Set(list.map(([, value]) => value)).size === list.length)
  .map((list) => new Map(list));

test('parseUidRecords reads what formatUidRecords wrote', () => {
  fc.assert(
    fc.property(records, (map) => {
      assert.deepEqual(new Map([...parseUidRecords(formatUidRecords(map), 'uids')].toSorted()), new Map([...map].toSorted()));
    }),
  );
});

const corrupt: readonly [why: string, text: string, line: number][] = [
  ['no name', '200000\n', 1],
  ['two spaces', '200000  -\n', 1],
  ['trailing space', '200000 - \n', 1],
  ['a word for the base', '# x\nabc -\n', 2],
  ['a base between two ranges', '200000 -\n200001 b\n', 2],
  ['a base below the first', '0 -\n', 1],
  ['a base beyond the last', `${UID_BASE_FIRST + INSTANCES_MAX * UID_RANGE} -\n`, 1],
  ['a base in octal', '0200000 -\n', 1],
  ['an instance in capitals', '200000 A\n', 1],
  ['an instance of 13 characters', '200000 abcdefghijklm\n', 1],
  ['a base twice', '200000 -\n200000 b\n', 2],
  ['an instance twice', '200000 -\n265536 -\n', 2],
  ['half a line', '200000 -\n2655', 2],
  ['NULs after a power cut', '\0\0\0\0', 1],
  ['a carriage return', '200000 -\r\n', 1],
];
for (const [why, text, line] of corrupt) {
  test(`parseUidRecords refuses ${why} and says what to do`, () => {
    assert.throws(() => parseUidRecords(text, '/etc/bureau/uids'), {
      code: 'uids_malformed',
      data: { path: '/etc/bureau/uids', line },
      message: /correct the line.*do not delete the file/,
    });
  });
}

test('freeBase finds the lowest range that nobody has any part of', () => {
  const second = UID_BASE_FIRST + UID_RANGE;
  const taken = (first: number, last = first) => [{ first, last, source: 'x' }];
  assert.equal(freeBase(new Map(), []), UID_BASE_FIRST);
  assert.equal(freeBase(new Map([[parseInstanceName(''), UID_BASE_FIRST]]), []), second);
  assert.equal(freeBase(new Map([[parseInstanceName(''), second]]), []), UID_BASE_FIRST);
  for (const uid of [UID_BASE_FIRST, UID_BASE_FIRST + 1_000, second - 1]) assert.equal(freeBase(new Map(), taken(uid)), second);
  for (const uid of [UID_BASE_FIRST - 1, second]) assert.equal(freeBase(new Map(), taken(uid)), UID_BASE_FIRST);
  // The second person that Debian's useradd makes gets 165536 to 231071.
  assert.equal(freeBase(new Map(), subordinateRanges('ann:100000:65536\nbob:165536:65536\n', 'subuid')), second);
  assert.throws(() => freeBase(new Map(), taken(0, 2 ** 31)), { code: 'uids_exhausted' });
});

test('freeBase gives a base that collides with nothing', () => {
  const range = fc
    .tuple(fc.integer({ min: 0, max: 2_000_000 }), fc.integer({ min: 0, max: 200_000 }))
    .map(([first, more]) => ({ first, last: first + more, source: 'x' }));
  fc.assert(
    fc.property(records, fc.array(range, { maxLength: 10 }), (map, taken) => {
      const found = freeBase(map, taken);
      assert.equal(collision(found, taken), undefined);
      assert.ok(![...map.values()].includes(found));
    }),
  );
});

test('accountNumbers and subordinateRanges pass over what is no account', () => {
  assert.deepEqual(accountNumbers('root:x:0:0:root:/root:/bin/bash\n+::::::\n\n#\nx:x:-1:\nann:x:200005:1::/:\n', 'passwd'), [
    { first: 0, last: 0, source: 'passwd (root)' },
    { first: 200_005, last: 200_005, source: 'passwd (ann)' },
  ]);
  assert.deepEqual(subordinateRanges('ann:100000:65536\n1000:5:0\nx:y:z\n\nbob:1\n', 'subuid'), [
    { first: 100_000, last: 165_535, source: 'subuid (ann)' },
  ]);
});
