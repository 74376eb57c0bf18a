// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { openatNoSymlinks } from './index.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync('/tmp/native-');
  mkdirSync(`${directory}/real`);
  writeFileSync(`${directory}/real/file`, 'content');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('openatNoSymlinks() opens a plain path, absolute or below a directory', () => {
  const file = openatNoSymlinks(`${directory}/real/file`);
  assert.equal(readFileSync(file, 'utf8'), 'content');
  closeSync(file);
  const parent = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const below = openatNoSymlinks('real/file', { directory: parent });
  assert.equal(readFileSync(below, 'utf8'), 'content');
  closeSync(below);
  closeSync(parent);
});

test('openatNoSymlinks() refuses a symlink at the end, in the middle, and a magic link', () => {
  symlinkSync('file', `${directory}/real/last`);
  symlinkSync('real', `${directory}/middle`);
  for (const path of [`${directory}/real/last`, `${directory}/middle/file`, '/proc/self/root/etc/passwd']) {
    assert.throws(() => openatNoSymlinks(path), { code: 'system_call_failed', data: { call: 'openat2', errno: 'ELOOP', path } });
  }
});

test('openatNoSymlinks() creates with the mode when asked, and names ENOENT otherwise', () => {
  const path = `${directory}/new`;
  assert.throws(() => openatNoSymlinks(path), { data: { call: 'openat2', errno: 'ENOENT', path } });
  const file = openatNoSymlinks(path, { flags: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode: 0o640 });
  assert.equal(fstatSync(file).mode & 0o777, 0o640);
  assert.match(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'), /flags:\s+0*2[0-9]{6}/, 'close-on-exec');
  closeSync(file);
});
