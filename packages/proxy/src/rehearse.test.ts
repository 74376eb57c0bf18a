// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createLogger } from '@bureau/log';
import { systemClock } from '@bureau/process';
import { rehearse } from './rehearse.ts';

test('rehearse goes through, more than once, and leaves no timer and no socket behind', { timeout: 60_000 }, async () => {
  const nowhere = openSync('/dev/null', 'w');
  const logger = createLogger({ name: 'proxy', destination: nowhere });
  const before = process.getActiveResourcesInfo().length;
  await rehearse(systemClock, logger);
  await rehearse(systemClock, logger);
  // Both ends of a connection hear of its end, in turns of their own.
  while (process.getActiveResourcesInfo().length > before) await new Promise((resolve) => setImmediate(resolve));
  assert.doesNotMatch(readFileSync('/proc/net/unix', 'latin1'), /@bureau-rehearsal-/);
  closeSync(nowhere);
});
