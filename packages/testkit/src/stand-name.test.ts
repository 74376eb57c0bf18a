// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownerOf, standName } from './stand-name.ts';

test('standName is a name whose owner can be told', () => {
  for (const pid of [1, 4_711, 4_194_304]) assert.equal(ownerOf(standName(pid, Date.now())), pid);
  assert.notEqual(standName(1, 1_000), standName(1, 2_000));
});

test('ownerOf knows nothing of names that people choose', () => {
  for (const name of ['', '-', 't1', 'test', 'faults', 'twelveletter']) assert.equal(ownerOf(name), undefined, name);
});
