// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { systemClock } from '@bureau/process';
import { QUIET_LATEST_MILLISECONDS } from './lifecycle-limits.ts';
import { PRINCIPAL, launcherStand } from './testing/launcher-fixture.ts';

const POINTS = [
  'create.accepted',
  'create.recorded',
  'create.listening',
  'create.directories',
  'create.placed',
  'create.go',
  'create.served',
  'create.linked',
] as const;

for (const point of POINTS) {
  test(`Launcher.create() that is cancelled at ${point} leaves nothing, and the next one starts`, async (context) => {
    const cancel = new AbortController();
    const stand = await launcherStand(context);
    stand.faults = { reached: (now) => now === point && cancel.abort(new Error('not wanted any more')) };
    const launcher = stand.start();
    await assert.rejects(launcher.create(stand.input('a-0'), cancel.signal), /not wanted any more/);
    assert.deepEqual(launcher.list(), []);
    assert.deepEqual(stand.pids(0), []);
    assert.equal(existsSync(`${stand.paths.launcherStateDirectory}/0.sandbox.json`), false);
    assert.equal((await launcher.create(stand.input('b-0'), new AbortController().signal)).id, 'b-0');
  });
}

test('Launcher.create() that was cancelled while it waited for its turn does nothing', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const cancel = new AbortController();
  const first = launcher.create(stand.input('a-0'));
  const second = assert.rejects(launcher.create(stand.input('a-0'), cancel.signal), /not wanted/);
  cancel.abort(new Error('not wanted any more'));
  await Promise.all([first, second]);
  assert.equal(launcher.list()[0]?.id, 'a-0');
});

/** A start that nothing hurries waits for ever here; a step that comes at all comes within this. */
const HURRIED_MILLISECONDS = 20_000;

test(
  'Launcher.destroy() of a sandbox whose start waits for the quiet moment hurries that start',
  { timeout: HURRIED_MILLISECONDS },
  async (context) => {
    const stand = await launcherStand(context);
    const [othersStart, waits] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // Another start is under way all the time, and nothing is ever too late: no quiet moment comes.
    stand.beforeListen = (number) => (number === 0 ? othersStart.promise : Promise.resolve());
    stand.setTimer = (milliseconds, callback) => {
      if (milliseconds !== QUIET_LATEST_MILLISECONDS) return systemClock.setTimer(milliseconds, callback);
      waits.resolve();
      return { clear: () => undefined };
    };
    const launcher = stand.start();
    const other = launcher.create(await stand.inputOf(parsePrincipalName('iree/other'), 'o-0'));
    while (!stand.asked.includes('listen 0')) await new Promise(setImmediate);
    const created = launcher.create(stand.input('a-0'));
    await waits.promise;
    assert.deepEqual(stand.asked, ['listen 0', 'listen 1'], 'its proxy waits');
    assert.equal(stand.pids(1).length, 2, 'its payload runs');

    const ended = launcher.destroy(PRINCIPAL, 'a-0', 0);
    assert.equal((await created).id, 'a-0');
    await ended;
    assert.deepEqual(stand.asked, ['listen 0', 'listen 1', 'start 1', 'stop 1']);
    assert.deepEqual(stand.pids(1), []);

    othersStart.resolve();
    assert.equal((await other).id, 'o-0', 'the other one has its own quiet moment');
  },
);

test('Launcher.check() judges as a create would be judged, beside what runs, and keeps nothing', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const { spec } = stand.input('a-0');
  await assert.rejects(launcher.check({ principal: PRINCIPAL, spec }), { code: 'not_found' });
  await launcher.create(stand.input('a-0'));
  await launcher.check({ principal: PRINCIPAL, spec });
  const mount = { type: 'bind', source: '/etc/shadow', destination: '/shadow', mode: 'ro', optional: false } as const;
  await assert.rejects(launcher.check({ principal: PRINCIPAL, spec: { ...spec, mounts: [mount] } }), { code: 'spec_refused' });
  assert.equal(launcher.list()[0]?.id, 'a-0');
  assert.deepEqual(stand.asked, ['listen 0', 'start 0']);
});
