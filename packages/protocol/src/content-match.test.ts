// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { contentMatch, matchesContent } from './content-match.ts';

test('matchesContent: scalars, comparisons, lists, and what is missing', () => {
  const content = { status: 'open', priority: 3, urgent: true, labels: ['gpu', 'night'], sizes: [1, 9], nested: { a: 1 }, nothing: null };
  const cases: [unknown, boolean][] = [
    [{}, true],
    [{ status: 'open' }, true],
    [{ status: 'closed' }, false],
    [{ urgent: true, priority: 3 }, true],
    [{ urgent: true, priority: 4 }, false],
    [{ priority: '3' }, false],
    [{ priority: { $gt: 2, $lt: 4 } }, true],
    [{ priority: { $gte: 3, $lte: 3 } }, true],
    [{ priority: { $gt: 3 } }, false],
    [{ status: { $gt: 1 } }, false],
    [{ status: { $in: ['new', 'open'] } }, true],
    [{ status: { $in: ['new'] } }, false],
    [{ status: { $eq: 'open' } }, true],
    [{ labels: 'gpu' }, true],
    [{ labels: 'cpu' }, false],
    [{ labels: { $in: ['cpu', 'night'] } }, true],
    [{ sizes: { $gt: 5 } }, true],
    [{ sizes: { $gt: 2, $lt: 5 } }, false],
    [{ absent: 'x' }, false],
    [{ nested: 1 }, false],
    [{ nothing: 'x' }, false],
    [{ toString: 'x' }, false],
  ];
  for (const [match, holds] of cases) assert.equal(matchesContent(v.parse(contentMatch, match), content), holds, JSON.stringify(match));
  for (const foreign of [null, undefined, 7, 'x', []]) assert.equal(matchesContent({ a: 1 }, foreign), false);
});

test('contentMatch refuses what cannot be right', () => {
  for (const wrong of [{ a: {} }, { a: { $ne: 1 } }, { a: { $lt: '1' } }, { a: { $in: [] } }, { a: 1.5 }, { a: null }, { a: [1] }, 'x'])
    assert.ok(!v.is(contentMatch, wrong), JSON.stringify(wrong));
});
