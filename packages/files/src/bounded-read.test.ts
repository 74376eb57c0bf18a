// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { readBounded } from './bounded-read.ts';

function scratch(context: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-files-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

test('readBounded gives the whole file up to the bound, and not a byte beyond it', (context) => {
  const path = join(scratch(context), 'file');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: -2, max: 2 }), (size, slack) => {
      const content = Buffer.alloc(size, 'abcdefg');
      fs.writeFileSync(path, content);
      const bound = Math.max(0, size + slack);
      if (bound >= size) assert.deepEqual(readBounded(path, bound), content);
      else assert.throws(() => readBounded(path, bound), { code: 'file_too_large', data: { path, maxBytes: bound } });
    }),
  );
});

test('readBounded gives memory that is not pooled', (context) => {
  const path = join(scratch(context), 'file');
  fs.writeFileSync(path, 'x');
  assert.ok(readBounded(path, 10).buffer.byteLength <= 11);
});

test('readBounded does not believe a size of 0', () => {
  // The kernel says 0 for every file of /proc.
  assert.equal(fs.statSync('/proc/self/status').size, 0);
  assert.match(readBounded('/proc/self/status', 65_536).toString(), /^Name:/);
  assert.throws(() => readBounded('/proc/self/status', 100), { code: 'file_too_large' });
});

test('readBounded refuses symlinks, directories, devices, sockets, and pipes without waiting', async (context) => {
  const directory = scratch(context);
  fs.writeFileSync(join(directory, 'file'), 'x');
  fs.symlinkSync(join(directory, 'file'), join(directory, 'link'));
  fs.symlinkSync(join(directory, 'nothing'), join(directory, 'dangling'));
  assert.equal(spawnSync('mkfifo', [join(directory, 'fifo')]).status, 0);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve));
  context.after(() => server.close());
  for (const path of [
    ...['link', 'dangling', 'fifo', 'socket'].map((name) => join(directory, name)),
    directory,
    '/dev/zero',
    '/dev/null',
  ]) {
    assert.throws(() => readBounded(path, 100), { code: 'file_unsafe' }, path);
  }
});

test('readBounded says when there is nothing', (context) => {
  const directory = scratch(context);
  fs.writeFileSync(join(directory, 'file'), 'x');
  assert.throws(() => readBounded(join(directory, 'none'), 1), { code: 'file_missing' });
  assert.throws(() => readBounded(join(directory, 'file', 'below'), 1), { code: 'file_missing' });
});

test('readBounded leaves no descriptor open, whatever happens', (context) => {
  const path = join(scratch(context), 'file');
  fs.writeFileSync(path, 'xx');
  const open = fs.readdirSync('/proc/self/fd').length;
  readBounded(path, 2);
  assert.throws(() => readBounded(path, 1));
  assert.throws(() => readBounded('/dev/null', 1));
  assert.equal(fs.readdirSync('/proc/self/fd').length, open);
});

test('readBounded with an owner refuses files of others and files that others can write', (context) => {
  const path = join(scratch(context), 'file');
  fs.writeFileSync(path, 'x', { mode: 0o644 });
  assert.equal(readBounded(path, 1, { owner: 0 }).toString(), 'x');
  for (const mode of [0o664, 0o646, 0o666, 0o622]) {
    fs.chmodSync(path, mode);
    assert.throws(() => readBounded(path, 1, { owner: 0 }), { code: 'file_unsafe' }, mode.toString(8));
  }
  fs.chmodSync(path, 0o600);
  fs.chownSync(path, 1_234, 0);
  assert.throws(() => readBounded(path, 1, { owner: 0 }), { code: 'file_unsafe', data: { path, uid: 1_234, mode: '0600' } });
  assert.equal(readBounded(path, 1, { owner: 1_234 }).toString(), 'x');
});
