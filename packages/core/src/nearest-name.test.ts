// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName } from './nearest-name.ts';

const FIELDS = ['command', 'environment', 'mounts', 'resources', 'memory'];

test('nearestName finds what was meant by a slip of the hand', () => {
  for (const [written, meant] of [
    ['comand', 'command'],
    ['memroy', 'memory'],
    ['Mounts', 'mounts'],
    ['enviroment', 'environment'],
    ['resource', 'resources'],
    ['command', 'command'],
  ]) {
    assert.equal(nearestName(written ?? '', FIELDS), meant, written);
  }
});

test('nearestName does not guess', () => {
  for (const written of ['', 'x', 'kubernetes', 'network']) assert.equal(nearestName(written, FIELDS), undefined, written);
  assert.equal(nearestName('a', []), undefined);
  assert.equal(nearestName('ab', ['ac', 'ad']), 'ac', 'the first of equals');
});

test('nearestName is quick with whatever a stranger writes', () => {
  const long = 'a'.repeat(1_000_000);
  assert.equal(nearestName(long, [`${long}b`, 'b']), `${long}b`);
});
