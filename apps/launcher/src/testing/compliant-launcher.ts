// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises';
import type { PrincipalName } from '@bureau/core';
import { PrincipalNumbers } from '@bureau/instance';
import type { LauncherUnderTest } from '@bureau/simulate/compliance';
import type { CrashStand, RunningLauncher } from './crash-stand.ts';

/** Any wait of these tests. */
const WAIT_MILLISECONDS = 30_000;
const LOOK_MILLISECONDS = 10;
const HOUR = 3_600_000;
const SECOND = 1_000;

/** The real launcher process of a stand, as the compliance suite tries it. */
export async function compliantLauncher(stand: CrashStand): Promise<LauncherUnderTest> {
  let running: RunningLauncher = await stand.start();
  const { recipient } = await running.client.call('status', {});
  const began = Date.now();
  const payloads = (principal: PrincipalName): number => {
    const number = new PrincipalNumbers(`${stand.paths.launcherStateDirectory}/principals.json`).find(principal);
    return number === undefined ? 0 : stand.processes(number).filter((name) => name === 'sleep').length;
  };
  return {
    connect: () => stand.connect(),
    kill: async () => {
      running.child.process.kill('SIGKILL');
      await running.child.exited;
    },
    start: async () => {
      running = await stand.start();
    },
    bundle: (principal, issue, life = 'good') =>
      stand.bundle(recipient, principal, began - (life === 'good' ? HOUR : 48 * HOUR) + issue * SECOND),
    commands: { serves: ['sleep', '4711'], ends: ['sh', '-c', 'sleep 1; exit 3'] },
    running: payloads,
    until: async (holds) => {
      const late = performance.now() + WAIT_MILLISECONDS;
      while (!(await holds())) {
        if (performance.now() > late) throw new Error(`Not within ${WAIT_MILLISECONDS} ms: ${holds.toString()}`);
        await delay(LOOK_MILLISECONDS);
      }
    },
  };
}
