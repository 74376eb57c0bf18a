// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { openNumbers } from './open-numbers.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bureau-numbers-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('openNumbers begins from nothing where there never was a number', () => {
  writeFileSync(`${directory}/identity.age`, '');
  assert.equal(openNumbers(directory).numberOf(parsePrincipalName('a/b')), 0);
  assert.equal(openNumbers(directory).find(parsePrincipalName('a/b')), 0);
});

for (const trace of ['0.bundle.age', '12.bundle.json', '3.sandbox.json']) {
  test(`openNumbers refuses to number anew beside ${trace}, and writes nothing`, () => {
    writeFileSync(`${directory}/${trace}`, '');
    assert.throws(() => openNumbers(directory), { code: 'numbers_missing', message: /Restore it from a backup/ });
    assert.deepEqual(readdirSync(directory), [trace]);
  });
}
