// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { test } from 'node:test';
import { setTerminalSize } from './index.ts';

test('setTerminalSize() sets rows and columns of a terminal', () => {
  const terminal = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  for (const [columns, rows] of [
    [80, 24],
    [300, 65_535],
  ] as const) {
    setTerminalSize(terminal, { columns, rows });
    const { stdout } = spawnSync('/usr/bin/stty', ['size'], { stdio: [terminal, 'pipe', 'inherit'], encoding: 'utf8' });
    assert.equal(stdout, `${rows} ${columns}\n`);
  }
  closeSync(terminal);
});

test('setTerminalSize() refuses what is no terminal', () => {
  const nothing = openSync('/dev/null', 'r+');
  assert.throws(() => setTerminalSize(nothing, { columns: 80, rows: 24 }), {
    code: 'system_call_failed',
    data: { call: 'ioctl', errno: 'ENOTTY' },
  });
  closeSync(nothing);
});
