// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { closeOnExecFrom } from './index.ts';
import { libc } from './libc.ts';

/** What a child sees of a process that has a descriptor open without close-on-exec, as an addon may leave one. */
function descriptorsOfChild(): string[] {
  const result = spawnSync('/bin/ls', ['/proc/self/fd'], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  return result.stdout.trim().split('\n');
}

test('closeOnExecFrom() keeps a stray descriptor from the next child', () => {
  const stray = libc().socket(1, 1, 0);
  assert.ok(descriptorsOfChild().includes(String(stray)), 'without the call it reaches the child');
  closeOnExecFrom(3);
  assert.deepEqual(descriptorsOfChild(), ['0', '1', '2', '3'], '3 is what ls itself opened');
  assert.ok(fstatSync(stray).isSocket(), 'it stays open here');
  closeSync(stray);
});

test('closeOnExecFrom() leaves what is passed on purpose', () => {
  const file = openSync('/etc/passwd', 'r');
  closeOnExecFrom(3);
  const result = spawnSync('/bin/sh', ['-c', 'read -r line <&4; echo "$line"'], { stdio: ['ignore', 'pipe', 'inherit', 'ignore', file] });
  closeSync(file);
  assert.match(result.stdout.toString(), /^root:/);
});

test('closeOnExecFrom() refuses a number that is not a descriptor', () => {
  for (const bad of [-1, 1.5, Number.NaN]) assert.throws(() => closeOnExecFrom(bad), { code: 'bad_descriptor' });
});
