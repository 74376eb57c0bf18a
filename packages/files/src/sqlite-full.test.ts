// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FullAfter } from './testing/fill-disk.main.ts';

const WALK_MILLISECONDS = 120_000;
/** More than the files of the walk ever have: it ends with a size at which nothing is refused. */
const PAGES_MAX = 64;

test('a disk that is full at each page that SQLite writes: what was written stays, what was refused is not there, and it goes on when there is room', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-sqlite-full-'));
  const main = fileURLToPath(new URL('testing/fill-disk.main.ts', import.meta.url));
  try {
    const words = ['--mount', '--propagation', 'private', process.execPath, main, directory, '1', `${PAGES_MAX}`];
    const { status, stdout, stderr } = spawnSync('/usr/bin/unshare', words, { encoding: 'utf8', timeout: WALK_MILLISECONDS });
    assert.equal(status, 0, stderr);
    const sizes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as FullAfter);
    for (const { pages, refused, damage, written, found } of sizes) {
      assert.deepEqual(found, written, `${pages} pages: ${refused}`);
      assert.equal(damage, false, `${pages} pages: ${refused}`);
    }
    const refused = sizes.filter((each) => each.refused !== undefined);
    assert.ok(refused.length > 10 && sizes.at(-1)?.refused === undefined, `${refused.length} of ${sizes.length} were refused`);
    t.diagnostic(`${refused.length} places: ${[...new Set(refused.map((each) => each.refused))].join('; ')}`);
  } finally {
    rmdirSync(directory);
  }
});
