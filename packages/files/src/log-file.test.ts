// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { LOG_KEPT_FILES, LOG_ROTATE_BYTES } from './limits.ts';
import { cutLogFile, openLogFile } from './log-file.ts';

function place(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-log-file-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'x.log');
}

/** As if so much had been written behind what is there; takes no room. */
const grow = (path: string): void => truncateSync(path, LOG_ROTATE_BYTES + 1);

test('openLogFile() appends, and moves a log that has grown too large aside', (context) => {
  const path = place(context);
  writeFileSync(path, 'first\n');
  const descriptor = openLogFile(path);
  writeSync(descriptor, 'second\n');
  closeSync(descriptor);
  assert.equal(readFileSync(path, 'utf8'), 'first\nsecond\n');
  grow(path);
  closeSync(openLogFile(path));
  assert.equal(statSync(path).size, 0);
  assert.equal(readFileSync(`${path}.1`).subarray(0, 13).toString(), 'first\nsecond\n');
});

test('cutLogFile() leaves a log that is small, or not there', (context) => {
  const path = place(context);
  assert.equal(cutLogFile(path), false);
  writeFileSync(path, 'line\n');
  assert.equal(cutLogFile(path), false);
  assert.equal(readFileSync(path, 'utf8'), 'line\n');
});

test('cutLogFile() keeps what a large log held, and its writer goes on in the same file from its beginning', (context) => {
  const path = place(context);
  const descriptor = openLogFile(path);
  context.after(() => closeSync(descriptor));
  for (let round = 0; round < LOG_KEPT_FILES + 2; round += 1) {
    writeSync(descriptor, `round ${round}\n`);
    grow(path);
    assert.equal(cutLogFile(path), true);
    assert.equal(statSync(path).size, 0);
  }
  writeSync(descriptor, 'after\n');
  assert.equal(readFileSync(path, 'utf8'), 'after\n');
  const kept = readdirSync(join(path, '..')).toSorted();
  assert.deepEqual(kept, ['x.log', ...Array.from({ length: LOG_KEPT_FILES }, (_, at) => `x.log.${at + 1}`)]);
  for (let number = 1; number <= LOG_KEPT_FILES; number += 1)
    assert.match(readFileSync(`${path}.${number}`).subarray(0, 10).toString(), new RegExp(`^round ${LOG_KEPT_FILES + 2 - number}\n`));
});

test('cutLogFile() follows no link', (context) => {
  const path = place(context);
  const victim = `${path}.victim`;
  writeFileSync(victim, 'kept');
  grow(victim);
  symlinkSync(victim, path);
  assert.throws(() => cutLogFile(path), { code: 'ELOOP' });
  assert.equal(statSync(victim).size, LOG_ROTATE_BYTES + 1);
  assert.equal(existsSync(`${path}.1`), false);
});
