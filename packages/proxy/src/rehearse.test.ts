// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { createLogger } from '@bureau/log';
import { systemClock } from '@bureau/process';
import { rehearse } from './rehearse.ts';

/** How many sockets this process holds. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:');
    } catch {
      return false; // what listed them
    }
  }).length;
}

test('rehearse goes through, more than once, and leaves no timer and no socket behind', { timeout: 60_000 }, async () => {
  const nowhere = openSync('/dev/null', 'w');
  const logger = createLogger({ name: 'proxy', destination: nowhere });
  const before = { handles: process.getActiveResourcesInfo().length, sockets: sockets() };
  await rehearse(systemClock, logger);
  await rehearse(systemClock, logger);
  // Both ends of a connection hear of its end, in turns of their own.
  while (process.getActiveResourcesInfo().length > before.handles) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sockets(), before.sockets);
  closeSync(nowhere);
});
