// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { RunningCommand, Stand } from '@bureau/testkit';

/** For the payload of a run to be there, and to have done what its script says. */
export const START_MILLISECONDS = 30_000;

/** Starts a run whose payload does `script` and stays; returns when it has done so. The caller disposes it. */
export async function startHolding(stand: Stand, principal: string, script: string): Promise<RunningCommand> {
  const command = stand.spawnBureau(['run', principal, '--no-tty', '--', 'sh', '-c', `${script}; echo up; exec sleep 4243`]);
  await command.stdout.waitFor('up', START_MILLISECONDS);
  return command;
}

/** The number of a principal that this machine has had before. */
export function numberOf(stand: Stand, principal: string): number {
  const file = JSON.parse(readFileSync(`${stand.paths.launcherStateDirectory}/principals.json`, 'utf8')) as { principals?: unknown };
  const text = JSON.stringify(file);
  const found =
    new RegExp(`"${principal}":(\\d+)`).exec(text)?.[1] ?? new RegExp(`"principal":"${principal}","number":(\\d+)`).exec(text)?.[1];
  return Number(found ?? assert.fail(`${principal} is not in ${text}`));
}
