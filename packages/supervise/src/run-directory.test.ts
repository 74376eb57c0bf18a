// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { makeRunDirectory, removeRunDirectory } from './run-directory.ts';

const TMPFS = 0x01021994;

function mountsBelow(path: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[1]?.startsWith(path));
}

test('makeRunDirectory puts it in memory, once; removeRunDirectory takes it away although a socket in it is open', async (context) => {
  const base = mkdtempSync(join(tmpdir(), 'bureau-run-'));
  context.after(() => rmSync(base, { recursive: true }));
  const path = join(base, 'run');
  assert.equal(makeRunDirectory(path), true);
  assert.equal(statfsSync(path).type, TMPFS);
  const server = createServer().listen(join(path, 'a.sock'));
  context.after(() => server.close());
  await once(server, 'listening');
  assert.equal(makeRunDirectory(path), true);
  assert.ok(existsSync(join(path, 'a.sock')), 'what is in it stays');
  assert.ok(mountsBelow(path).length <= 1);
  removeRunDirectory(path);
  assert.equal(existsSync(path), false);
  assert.deepEqual(mountsBelow(base), []);
  removeRunDirectory(path);
});

test('makeRunDirectory leaves one that holds something as it is', (context) => {
  const base = mkdtempSync(join(tmpdir(), 'bureau-run-'));
  context.after(() => rmSync(base, { recursive: true }));
  const path = join(base, 'run');
  mkdirSync(path);
  writeFileSync(join(path, 'socket'), '');
  const before = statfsSync(path).type;
  makeRunDirectory(path);
  assert.equal(statfsSync(path).type, before);
  assert.ok(existsSync(join(path, 'socket')));
  removeRunDirectory(path);
  assert.equal(existsSync(path), false);
});
