// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { writeAll } from './index.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync('/tmp/native-');
  assert.equal(spawnSync('/usr/bin/mkfifo', [`${directory}/pipe`]).status, 0);
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('writeAll() gives a slow reader every byte through a non-blocking pipe', async () => {
  const bytes = Buffer.alloc(1024 * 1024, 'x');
  const both = openSync(`${directory}/pipe`, constants.O_RDWR | constants.O_NONBLOCK);
  const reading = openSync(`${directory}/pipe`, constants.O_RDONLY);
  // One process, which reads in small pieces. A busy machine may take its time to start it; what is slow here is a reader that reads.
  const script = `import os\nos.write(1, b'up')\nleft = ${bytes.length}\nwhile left: left -= len(os.read(0, min(left, 1000)))\nos.write(1, b'all')`;
  const reader = spawn('/usr/bin/python3', ['-I', '-c', script], { stdio: [reading, 'pipe', 'inherit'] });
  closeSync(reading);
  assert.ok(reader.stdout !== null);
  const said = reader.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  assert.equal(String((await said.next()).value), 'up');
  writeAll(both, bytes);
  assert.equal(String((await said.next()).value), 'all');
  closeSync(both);
});

test('writeAll() gives up on a reader that takes nothing', () => {
  const both = openSync(`${directory}/pipe`, constants.O_RDWR | constants.O_NONBLOCK);
  assert.throws(() => writeAll(both, Buffer.alloc(1024 * 1024)), { code: 'write_stalled' });
  closeSync(both);
});

test('writeAll() throws EPIPE without a reader and writes nothing for no bytes', () => {
  const reading = openSync(`${directory}/pipe`, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(`${directory}/pipe`, constants.O_WRONLY);
  closeSync(reading);
  assert.throws(() => writeAll(writing, Buffer.from('x')), { code: 'EPIPE' });
  writeAll(writing, new Uint8Array(0));
  closeSync(writing);
});

test('writeAll() writes to a file', () => {
  const file = openSync(`${directory}/file`, 'w');
  writeAll(file, Buffer.from('all'));
  closeSync(file);
  assert.equal(readFileSync(`${directory}/file`, 'utf8'), 'all');
});
