// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { CHECKOUT, instanceLeaks, startCommand, until, type Footprint } from '@bureau/testkit';

const UP_MILLISECONDS = 180_000;
const DOWN_MILLISECONDS = 120_000;

/** Where a bench is when it is interrupted: what its instance holds then. */
const MOMENTS: Readonly<Record<string, { readonly signal: NodeJS.Signals; readonly is: (now: Footprint) => boolean }>> = {
  'in the middle of script/up': { signal: 'SIGTERM', is: ({ processes }) => processes.some((line) => line.startsWith('homeserver ')) },
  'while it measures': { signal: 'SIGINT', is: ({ cgroups }) => cgroups.some((line) => /\/sandbox-[0-9]+$/.test(line)) },
};

for (const [moment, { signal, is }] of Object.entries(MOMENTS)) {
  test(`script/bench gets ${signal} ${moment}: nothing of its stand is left`, async () => {
    await using bench = startCommand(`${CHECKOUT}/script/bench`, ['sandbox']);
    // `script/bench` becomes the bench: its pid is in the name of its instance.
    const leaks = await until('the settings of its instance', UP_MILLISECONDS, () => instanceLeaks(`bench${bench.pid}`));
    // The control: what is looked for afterwards is there.
    const { directories, uidRanges } = await until(`the bench ${moment}`, UP_MILLISECONDS, () => {
      const now = leaks.snapshot();
      return is(now) && now;
    });
    assert.deepEqual([directories.length > 0, uidRanges.length], [true, 1]);
    // As a terminal's Ctrl-C does, to the whole group; the other as a supervisor does.
    process.kill(signal === 'SIGINT' ? -bench.pid : bench.pid, signal);
    const { code, stderr } = await bench.exitedWithin(DOWN_MILLISECONDS);
    assert.equal(code, 128 + constants.signals[signal], stderr);
    await leaks.assertNothing();
  });
}
