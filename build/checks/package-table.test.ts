// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageTableCheck, withPackageTable } from './package-table.ts';

const ROOT = join(import.meta.dirname, '../..');
const BEGIN = '<!-- packages: written by script/check --write packages -->';
const END = '<!-- /packages -->';

test('withPackageTable replaces what is between the markers, sorted by layer, and leaves the rest', () => {
  const text = `before\n${BEGIN}\nold\n${END}\nafter\n`;
  const lines = [
    { folder: 'apps/cli', layer: 'app', description: 'What people type.' },
    { folder: 'packages/ipc', layer: 1, description: 'Frames.' },
    { folder: 'packages/core', layer: 0, description: 'Names.' },
  ] as const;
  const expected = [
    'before',
    BEGIN,
    '| layer | folder | what it is |',
    '| --- | --- | --- |',
    '| 0 pure | `packages/core` | Names. |',
    '| 1 host | `packages/ipc` | Frames. |',
    '| process | `apps/cli` | What people type. |',
    END,
    'after',
    '',
  ];
  assert.equal(withPackageTable(text, lines), expected.join('\n'));
  assert.equal(withPackageTable(expected.join('\n'), lines), expected.join('\n'));
});

test('withPackageTable answers undefined when a marker is missing', () => {
  assert.equal(withPackageTable(`${BEGIN}\n`, []), undefined);
  assert.equal(withPackageTable(`${END}\n`, []), undefined);
});

test('packageTableCheck finds the page of this checkout current', async () => {
  assert.deepEqual(await packageTableCheck.run({ root: ROOT, write: false }), []);
  assert.match(readFileSync(join(ROOT, 'docs/overview.md'), 'utf8'), /\| 0 pure \| `packages\/core` \|/);
});
