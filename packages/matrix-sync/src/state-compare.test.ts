// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stateDifferences } from './state-compare.ts';

const one = { type: 'm.bureau.assignment', stateKey: 'a/b', eventId: '$one' };
const two = { ...one, eventId: '$two' };
const elsewhere = { ...one, stateKey: 'a/c' };

test('stateDifferences finds nothing between equal views, in whatever order', () => {
  assert.equal(stateDifferences([], []).size, 0);
  assert.equal(stateDifferences([one, elsewhere], [elsewhere, one]).size, 0);
});

test('stateDifferences finds what one side has, what the other has, and what is another event', () => {
  assert.equal(stateDifferences([one], []).size, 1);
  assert.equal(stateDifferences([], [one]).size, 1);
  assert.equal(stateDifferences([one], [two]).size, 1);
  assert.equal(stateDifferences([one, elsewhere], [two]).size, 2);
});

test('stateDifferences of two looks share only what did not move between them', () => {
  const first = stateDifferences([one], [two]);
  assert.equal(stateDifferences([one], [two]).intersection(first).size, 1);
  assert.equal(stateDifferences([two], [{ ...one, eventId: '$three' }]).intersection(first).size, 0);
});
