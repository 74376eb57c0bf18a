// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startChild, systemClock } from '@bureau/process';

test('the process says why it cannot start where it would say that it is ready: its log may take no line', async () => {
  const log = openSync('/dev/full', 'w');
  const starting = startChild({
    command: process.execPath,
    args: [join(import.meta.dirname, 'main.ts'), '--instance', 'nosuch'],
    env: {},
    stdio: ['ignore', log, log, 'ignore', 'pipe'],
    readyFd: 4,
    clock: systemClock,
  });
  await assert.rejects(starting, { code: 'child_failed', message: /but it cannot start: .*\/etc\/bureau-nosuch/ });
  closeSync(log);
});
