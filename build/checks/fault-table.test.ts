// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultTable } from './fault-table.ts';

test('faultTable has a row for each title of a test or group, split where fault and result are', () => {
  const text = [
    "test('disk full: it says so', async () => {",
    '    test(`${code} at each write of ${program}: told`, async (t) => {',
    "describe('two at once', () => {",
    "  check(name, () => test('not at the beginning of a line'));",
  ].join('\n');
  const rows = faultTable([{ file: 'integration/faults/disk.test.ts', text }], {})
    .split('\n')
    .slice(9);
  const place = '[disk](../../integration/faults/disk.test.ts)';
  assert.deepEqual(rows, [
    `| disk full | it says so | ${place} | with every \`script/test\` |`,
    `| *code* at each write of *program* | told | ${place} | with every \`script/test\` |`,
    `| two at once |  | ${place} | with every \`script/test\` |`,
    '',
  ]);
});

test('faultTable has a row for each word of the loops around a title', () => {
  const text = [
    "for (const program of ['stand', 'daemon'])",
    "  for (const code of ['ENOSPC', 'EROFS'] as const)",
    '    test(`${code} at each write of ${program}: told`, async (t) => {',
    "for (const program of ['relay'])",
    '  test(`${program} and ${other}: told`, async (t) => {',
  ].join('\n');
  const faults = faultTable([{ file: 'integration/faults/disk.test.ts', text }], {})
    .split('\n')
    .slice(9, -1)
    .map((row) => row.split(' | ')[0]);
  assert.deepEqual(faults, [
    '| ENOSPC at each write of stand',
    '| ENOSPC at each write of daemon',
    '| EROFS at each write of stand',
    '| EROFS at each write of daemon',
    '| relay and *other*',
  ]);
});

test('faultTable says of the deep suite when each of its tests passed last, of which sources', () => {
  const text = ["for (const code of ['ENOSPC', 'EROFS'])", '  test(`${code} at each write: told`, async () => {'].join('\n');
  const passed = { 'ENOSPC at each write: told': { on: '2026-11-21', commit: 'b47fd94', seconds: 123 } };
  const rows = faultTable([{ file: 'integration/faults/deep-writes-up.test.ts', text }], passed)
    .split('\n')
    .slice(9, -1);
  assert.deepEqual(
    rows.map((row) => row.split(' | ').at(-1)),
    ['2026-11-21, b47fd94, 123 s |', 'not on record |'],
  );
});
