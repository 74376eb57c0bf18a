// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { differingFiles, foldersOf, manifestDifferences, unlocked } from './verify-installed.ts';

const LOCK = {
  'packages/a': { version: '0.1.0', dependencies: { valibot: '1.5.0' } },
  'node_modules/@bureau/a': { link: true },
  'node_modules/valibot': { version: '1.5.0', integrity: 'sha512-x' },
  'node_modules/b/node_modules/valibot': { version: '1.4.0', integrity: 'sha512-y' },
};

test('foldersOf finds packages from npm, each version of its own', () => {
  assert.deepEqual(
    [...foldersOf(LOCK)],
    [
      ['valibot@1.5.0', 'node_modules/valibot'],
      ['valibot@1.4.0', 'node_modules/b/node_modules/valibot'],
    ],
  );
});

test('unlocked finds what is installed and not locked', () => {
  const store = 'node_modules/.store/valibot@1.5.0-abc/node_modules/valibot';
  assert.deepEqual(unlocked(LOCK, { [store]: { version: '1.5.0' }, 'node_modules/valibot': { link: true } }), []);
  assert.match(unlocked(LOCK, { [store]: { version: '1.5.1' } }).join(), /holds valibot@1\.5\.1, which package-lock\.json does not name/);
  assert.match(
    unlocked({ 'node_modules/c': { version: '1.0.0' } }, { 'node_modules/c': { version: '1.0.0' } }).join(),
    /no integrity for c@1\.0\.0/,
  );
});

test('manifestDifferences finds a package.json that the lock does not know', () => {
  assert.deepEqual(
    manifestDifferences(LOCK, () => ({ dependencies: { valibot: '1.5.0' } })),
    [],
  );
  assert.match(
    manifestDifferences(LOCK, () => ({ dependencies: { valibot: '1.6.0' } })).join(),
    /packages\/a\/package\.json asks for valibot 1\.6\.0, package-lock\.json says 1\.5\.0/,
  );
  assert.match(manifestDifferences(LOCK, () => ({})).join(), /asks for valibot \(not at all\)/);
});

test('differingFiles finds changed, missing and additional files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bureau-verify-'));
  try {
    for (const side of ['verified', 'actual']) {
      mkdirSync(join(folder, side, 'lib'), { recursive: true });
      writeFileSync(join(folder, side, 'lib/same.js'), 'same');
      writeFileSync(join(folder, side, 'lib/changed.js'), side);
      writeFileSync(join(folder, side, `lib/only-${side}.js`), '');
      mkdirSync(join(folder, side, 'node_modules', side), { recursive: true });
    }
    const found = differingFiles(join(folder, 'verified'), join(folder, 'actual'));
    const expected = ['changed.js', 'only-actual.js', 'only-verified.js'].map((name) => join(folder, 'actual/lib', name));
    assert.deepEqual(found.toSorted(), expected);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
