// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ensureDirectory } from './directory.ts';

function scratch(context: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-files-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

function attributes(path: string): [number, number, number] {
  const found = fs.lstatSync(path);
  return [found.mode & 0o7777, found.uid, found.gid];
}

test('ensureDirectory makes a directory with exact mode and owner, whatever the umask', (context) => {
  const path = join(scratch(context), 'd');
  const before = process.umask(0o077);
  context.after(() => process.umask(before));
  ensureDirectory(path, { mode: 0o755, uid: 1_234, gid: 5_678 });
  assert.deepEqual(attributes(path), [0o755, 1_234, 5_678]);
});

test('ensureDirectory corrects mode, group and our own ownership, and keeps the content', (context) => {
  const path = join(scratch(context), 'd');
  fs.mkdirSync(path, { mode: 0o777 });
  fs.writeFileSync(join(path, 'file'), 'kept');
  ensureDirectory(path, { mode: 0o750, uid: 0, gid: 5_678 });
  assert.deepEqual(attributes(path), [0o750, 0, 5_678]);
  ensureDirectory(path, { mode: 0o700, uid: 1_234, gid: 1_234 });
  assert.deepEqual(attributes(path), [0o700, 1_234, 1_234]);
  ensureDirectory(path, { mode: 0o700, uid: 1_234, gid: 1_234 });
  assert.equal(fs.readFileSync(join(path, 'file'), 'utf8'), 'kept');
});

test('ensureDirectory refuses a foreign owner and changes nothing', (context) => {
  const path = join(scratch(context), 'd');
  fs.mkdirSync(path);
  fs.chownSync(path, 4_321, 4_321);
  fs.chmodSync(path, 0o777);
  assert.throws(() => ensureDirectory(path, { mode: 0o700, uid: 0, gid: 0 }), { code: 'directory_unsafe' });
  assert.deepEqual(attributes(path), [0o777, 4_321, 4_321]);
});

test('ensureDirectory refuses symlinks, to directories and to nothing, and files', (context) => {
  const directory = scratch(context);
  fs.mkdirSync(join(directory, 'real'), { mode: 0o755 });
  fs.symlinkSync(join(directory, 'real'), join(directory, 'link'));
  fs.symlinkSync(join(directory, 'none'), join(directory, 'dangling'));
  fs.writeFileSync(join(directory, 'file'), '');
  for (const name of ['link', 'dangling', 'file']) {
    assert.throws(() => ensureDirectory(join(directory, name), { mode: 0o700, uid: 0, gid: 0 }), { code: 'directory_unsafe' }, name);
  }
  assert.deepEqual(attributes(join(directory, 'real')), [0o755, 0, 0]);
  assert.equal(fs.existsSync(join(directory, 'none')), false);
});

test('ensureDirectory does not invent a parent', (context) => {
  assert.throws(() => ensureDirectory(join(scratch(context), 'a', 'b'), { mode: 0o700, uid: 0, gid: 0 }), { code: 'directory_failed' });
});
