// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { openPipe } from './open-pipe.ts';

test('openPipe carries bytes, and a child can open its end by name', () => {
  const { read, write } = openPipe();
  const { status } = spawnSync('/bin/sh', ['-c', 'echo by-name >/dev/stdout'], { stdio: ['ignore', write, 'inherit'] });
  assert.equal(status, 0);
  writeSync(write, '+');
  closeSync(write);
  const bytes = Buffer.alloc(100);
  assert.equal(bytes.toString('latin1', 0, readSync(read, bytes)), 'by-name\n+');
  assert.equal(readSync(read, bytes), 0);
  closeSync(read);
});

test('openPipe marks both ends close-on-exec', () => {
  const { read, write } = openPipe();
  const { stdout } = spawnSync('/bin/sh', ['-c', `ls /proc/self/fd`], { encoding: 'utf8' });
  for (const fd of [read, write]) assert.ok(fd > 4 && !stdout.split('\n').includes(String(fd)), stdout);
  closeSync(read);
  closeSync(write);
});
