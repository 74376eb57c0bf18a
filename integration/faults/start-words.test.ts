// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { CHECKOUT } from '@bureau/testkit';

/** Where a process says that it is ready. */
const READY = 4;

for (const app of ['launcher', 'daemon'])
  test(`a ${app} that cannot start while its log takes no line: it says why where it would say that it is ready`, async () => {
    const log = openSync('/dev/full', 'w');
    try {
      const child = spawn(process.execPath, [`${CHECKOUT}/apps/${app}/src/main.ts`, '--instance', 'nosuch'], {
        env: {},
        stdio: ['ignore', log, log, 'ignore', 'pipe'],
      });
      assert.match(await text(child.stdio[READY] as Readable), /^failed: .*\/etc\/bureau-nosuch.*\n$/);
    } finally {
      closeSync(log);
    }
  });
