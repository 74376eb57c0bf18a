// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { PRINCIPAL, launcherStand, told, type LauncherStand } from './testing/launcher-fixture.ts';

/** As many as the issue names. */
const MANY = 50;

/** Resolves for all callers when the last of `count` has called: with a lock held while waiting, that one never comes. */
function barrier(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let arrived = 0;
  return () => {
    arrived += 1;
    if (arrived === count) resolve();
    return promise;
  };
}

async function createMany(stand: LauncherStand, launcher: ReturnType<LauncherStand['start']>): Promise<void> {
  const inputs = await Promise.all(Array.from({ length: MANY }, (_, index) => stand.inputOf(parsePrincipalName(`many/a${index}`), 'a-0')));
  await Promise.all(inputs.map((input) => launcher.create(input)));
}

test(`Launcher creates ${MANY} sandboxes side by side, and the next launcher finds all of them`, async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  stand.beforeProxy = barrier(MANY);
  const began = performance.now();
  await createMany(stand, launcher);
  context.diagnostic(`${MANY} created in ${Math.round(performance.now() - began)} ms`);
  const infos = launcher.list();
  assert.equal(infos.length, MANY);
  assert.equal(new Set(infos.map(({ number }) => number)).size, MANY);
  for (const { number } of infos) assert.equal(stand.pids(number).length, 2);

  launcher.release();
  stand.beforeProxy = barrier(MANY);
  const started = performance.now();
  const next = stand.start();
  const adopted = next.adopt();
  // Known before anything is waited for: the daemon's first question has its answer.
  assert.equal(next.list().filter(({ state }) => state === 'running').length, MANY);
  context.diagnostic(`${MANY} known after ${Math.round(performance.now() - started)} ms`);
  await adopted;
  context.diagnostic(`${MANY} adopted, proxies fed, after ${Math.round(performance.now() - started)} ms`);
  const exits = await Promise.all(next.list().map(({ principal, id }) => next.destroy(principal, id, 0)));
  assert.equal(exits.length, MANY);
  assert.deepEqual(await stand.groups(), []);
});

test('Launcher lets nobody wait for another principal: one hangs in its create, others come and go', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const { promise: hung, resolve: letGo } = Promise.withResolvers<void>();
  const number = (await launcher.create(stand.input('a-0'))).number;
  await launcher.destroy(PRINCIPAL, 'a-0', 0);
  launcher.forget(PRINCIPAL, 'a-0');
  stand.beforeProxy = (asked) => (asked === number ? hung : Promise.resolve());
  const first = launcher.create(stand.input('a-1'));
  const other = await stand.inputOf(parsePrincipalName('many/other'), 'b-0');
  await launcher.create(other);
  assert.deepEqual(
    launcher.list().map(({ id }) => id),
    ['b-0'],
  );
  await launcher.destroy(other.principal, 'b-0', 0);
  // A stop that is asked for meanwhile is not lost: it comes when the sandbox stands.
  const stopped = launcher.destroy(PRINCIPAL, 'a-1', 0);
  letGo();
  assert.equal((await first).id, 'a-1');
  assert.equal((await stopped).reason, 'relay_lost');
  assert.deepEqual(stand.pids(number), []);
});

test('Launcher.wait() answers with the end, before and after it; signal() and updatePayload() of one that has ended are refused', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  const { number } = await launcher.create(stand.input('a-0'));
  await told(launcher, (state) => state === 'running');
  const waiting = launcher.wait(PRINCIPAL, 'a-0');
  process.kill(stand.tree.group(`sandbox-${number}`).pids()[0] ?? 0, 'SIGKILL');
  assert.deepEqual(await waiting, { code: 7, signal: null });
  assert.deepEqual(await launcher.wait(PRINCIPAL, 'a-0'), { code: 7, signal: null });
  await assert.rejects(launcher.signal(PRINCIPAL, 'a-0', 'SIGTERM'), { code: 'not_running' });
  await assert.rejects(launcher.updatePayload(PRINCIPAL, 'a-0', {}), { code: 'not_running' });
  launcher.forget(PRINCIPAL, 'a-0');
  await assert.rejects(launcher.wait(PRINCIPAL, 'a-0'), { code: 'not_found' });
});
