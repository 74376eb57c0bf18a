// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '@bureau/log';
import { LogWatch } from './log-watch.ts';

test('LogWatch puts large logs aside at each look, nothing else, and goes on after a look that failed', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-log-watch-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const timers: (() => void)[] = [];
  const said: string[] = [];
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    setTimer: (_: number, look: () => void) => (timers.push(look), { clear: () => undefined }),
  };
  const logger = Object.assign(createLogger({ name: 'test', level: 'silent' }), { warn: (_: object, text: string) => said.push(text) });
  for (const name of ['launcher.log', 'notes.txt']) {
    writeFileSync(join(directory, name), 'line\n');
    truncateSync(join(directory, name), 20 * 1024 * 1024);
  }
  mkdirSync(join(directory, 'proxy-0'));
  using _watch = new LogWatch(directory, { clock, logger });
  assert.deepEqual(readdirSync(directory).toSorted(), ['launcher.log', 'launcher.log.1', 'notes.txt', 'proxy-0']);
  assert.equal(statSync(join(directory, 'launcher.log')).size, 0);
  assert.equal(statSync(join(directory, 'notes.txt')).size, 20 * 1024 * 1024);

  truncateSync(join(directory, 'launcher.log'), 20 * 1024 * 1024);
  mkdirSync(join(directory, 'launcher.log.new')); // no place for the copy
  timers.pop()?.();
  assert.deepEqual(said, ['a large log cannot be put aside']);
  rmSync(join(directory, 'launcher.log.new'), { recursive: true });
  timers.pop()?.();
  assert.equal(statSync(join(directory, 'launcher.log.2')).size, 20 * 1024 * 1024);
});
