// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { hasCode } from '@bureau/core';
import { PRINCIPAL, launcherStand, told, type LauncherStand } from './testing/launcher-fixture.ts';

const DAY = 86_400_000;

/** Every file of the launcher's own is whole JSON, or a bundle; nothing half-written lies beside them. */
function assertWhole({ paths }: LauncherStand): void {
  for (const name of readdirSync(paths.launcherStateDirectory)) {
    assert.match(name, /^(0\.bundle\.(age|json)|0\.sandbox\.json|0\.authorization\.json|principals\.json)$/);
    if (name.endsWith('.json')) JSON.parse(readFileSync(`${paths.launcherStateDirectory}/${name}`, 'utf8'));
  }
}

for (const off of [DAY, -DAY]) {
  test(`Launcher finds, keeps and stops what runs when the clock has moved by ${off / DAY} day`, async (context) => {
    const stand = await launcherStand(context);
    const first = stand.start();
    await first.create(stand.input('a-0'));
    await told(first, (state) => state === 'running');
    const { startedAt } = first.list()[0] ?? {};
    first.release();
    const second = stand.start(off);
    await second.adopt();
    assert.deepEqual([second.list()[0]?.state, second.list()[0]?.startedAt], ['running', startedAt]);
    assert.equal(stand.pids(0).length, 2);
    await second.destroy(PRINCIPAL, 'a-0', 0);
    assert.deepEqual(stand.pids(0), []);
    assertWhole(stand);
  });
}

test('Launcher without a free descriptor refuses a create, leaves nothing of it, and works when there are some again', async (context) => {
  const stand = await launcherStand(context);
  const launcher = stand.start();
  await launcher.create(stand.input('a-0'));
  await launcher.destroy(PRINCIPAL, 'a-0', 0);
  launcher.forget(PRINCIPAL, 'a-0');
  const taken: number[] = [];
  assert.throws(
    () => {
      for (;;) taken.push(openSync('/dev/null', 'r'));
    },
    (error) => hasCode(error, 'EMFILE'),
  );
  try {
    await assert.rejects(launcher.create(stand.input('a-1')));
  } finally {
    for (const descriptor of taken) closeSync(descriptor);
  }
  assertWhole(stand);
  assert.deepEqual(launcher.list(), []);
  assert.equal((await launcher.create(stand.input('a-2'))).id, 'a-2');
  assert.equal(stand.pids(0).length, 2);
});
