// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineLoadContent } from '@bureau/protocol';
import { PRESENCE_RETRY_MILLISECONDS } from './limits.ts';
import { MachinePresence, statusText } from './machine-presence.ts';
import { HandClock } from './system-tree.testing.ts';

const LOAD: MachineLoadContent = {
  v: 1,
  at: 0,
  cpuPercent: 41.6,
  memoryUsedBytes: 1,
  uptimeSeconds: 1,
  sandboxes: { running: 3, waiting: 0 },
  principals: [],
};
const LINE = 'online: 3 sandboxes, 42% CPU';

function follow() {
  const said: string[] = [];
  const failures: string[] = [];
  const state = { refuses: false };
  const clock = new HandClock();
  const presence = new MachinePresence({
    clock,
    set: (kind, text) => (state.refuses ? Promise.reject(new Error('away')) : Promise.resolve(void said.push(`${kind}: ${text}`))),
    onFailure: (message) => failures.push(message),
  });
  return { presence, said, failures, state, clock };
}

test('statusText() is one line for people', () => {
  assert.equal(statusText(LOAD), '3 sandboxes, 42% CPU');
  assert.equal(statusText({ ...LOAD, sandboxes: { running: 1, waiting: 2 } }), '1 sandbox, 2 waiting, 42% CPU');
});

test('MachinePresence says each line once, and goodbye', async () => {
  const { presence, said, clock } = follow();
  for (const cpuPercent of [41.6, 42.4, 60]) {
    presence.report({ ...LOAD, cpuPercent });
    await clock.pass(0);
  }
  await presence.leave();
  assert.deepEqual(said, [LINE, 'online: 3 sandboxes, 60% CPU', 'offline: ']);
});

test('MachinePresence says what changed while it was saying the line before', async () => {
  const { presence, said, clock } = follow();
  presence.report(LOAD);
  presence.report({ ...LOAD, cpuPercent: 60 });
  await clock.pass(0);
  assert.deepEqual(said, [LINE, 'online: 3 sandboxes, 60% CPU']);
});

test('MachinePresence says goodbye last: behind what is being said, and before nothing', async () => {
  const said: string[] = [];
  const slow = Promise.withResolvers<void>();
  const presence = new MachinePresence({
    clock: new HandClock(),
    set: async (kind) => {
      if (kind === 'online') await slow.promise;
      said.push(kind);
    },
    onFailure: assert.fail,
  });
  presence.report(LOAD);
  const left = presence.leave();
  presence.report({ ...LOAD, cpuPercent: 60 });
  slow.resolve();
  await left;
  await new Promise(setImmediate);
  assert.deepEqual(said, ['online', 'offline']);
});

test('MachinePresence fails for nobody: one failure is told, it is tried again with the newest line, and not after goodbye', async () => {
  const { presence, said, failures, state, clock } = follow();
  state.refuses = true;
  presence.report({ ...LOAD, cpuPercent: 1 });
  await clock.pass(5 * PRESENCE_RETRY_MILLISECONDS);
  presence.report(LOAD);
  state.refuses = false;
  await clock.pass(PRESENCE_RETRY_MILLISECONDS);
  assert.deepEqual([said, failures], [[LINE], ['away']]);
  state.refuses = true;
  presence.report({ ...LOAD, cpuPercent: 99 });
  await clock.pass(0);
  await presence.leave();
  state.refuses = false;
  await clock.pass(5 * PRESENCE_RETRY_MILLISECONDS);
  assert.deepEqual(said, [LINE]);
});
