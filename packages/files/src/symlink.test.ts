// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { replaceSymlink } from './symlink.ts';

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-files-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('replaceSymlink makes a link, and replaces link or file, also after an interrupted call', (context) => {
  const directory = scratch(context);
  const path = join(directory, 'current');
  replaceSymlink('/one', path);
  assert.equal(readlinkSync(path), '/one');
  symlinkSync('/half', `${path}.new`);
  replaceSymlink('/two', path);
  assert.equal(readlinkSync(path), '/two');
  rmSync(path);
  writeFileSync(path, 'a file');
  replaceSymlink('/three', path);
  assert.equal(readlinkSync(path), '/three');
  assert.deepEqual(readdirSync(directory), ['current']);
});

test('replaceSymlink leaves nothing but what was there when it fails, and says at which step', (context) => {
  const directory = scratch(context);
  const path = join(directory, 'current');
  mkdirSync(path);
  assert.throws(() => replaceSymlink('/one', path), { code: 'file_write_failed', data: { path, step: 'rename' } });
  assert.deepEqual(readdirSync(directory), ['current']);
  const missing = join(directory, 'none', 'current');
  assert.throws(() => replaceSymlink('/one', missing), { code: 'file_write_failed', data: { path: missing, step: 'create' } });
});
