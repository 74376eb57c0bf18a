// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPassedFaults, recordPassedFaults } from './passed-faults.ts';

const ONE = { on: '2026-11-20', commit: 'aaaaaaa', seconds: 1 };
const TWO = { on: '2026-11-21', commit: 'bbbbbbb', seconds: 2 };

test('recordPassedFaults keeps what other runs recorded, by title, and takes out what failed since', (context) => {
  const root = mkdtempSync(join(tmpdir(), 'bureau-passed-'));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'docs/reference'), { recursive: true });
  assert.deepEqual(readPassedFaults(root), {});
  recordPassedFaults(root, { 'c: told': ONE, 'a: told': ONE }, []);
  recordPassedFaults(root, { 'b: told': TWO, 'a: told': TWO }, ['c: told']);
  assert.deepEqual(Object.entries(readPassedFaults(root)), [
    ['a: told', TWO],
    ['b: told', TWO],
  ]);
});
