// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { RealProxy } from '@bureau/testkit/proxy';

const LOOK_MILLISECONDS = 50;

/** Runs an attack. Fails when the proxy has grown by more than `most` MiB at any moment that was looked at, or at the end of the attack. */
export async function assertGrowth(proxy: RealProxy, name: string, most: number, attack: () => Promise<void>): Promise<void> {
  const rest = proxy.memoryMiB;
  let peak = rest;
  const look = setInterval(() => (peak = Math.max(peak, proxy.memoryMiB)), LOOK_MILLISECONDS);
  try {
    await attack();
    peak = Math.max(peak, proxy.memoryMiB);
  } finally {
    clearInterval(look);
  }
  process.stderr.write(`memory: ${name}: ${rest.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at most\n`);
  assert.ok(peak - rest <= most, `${name} added ${(peak - rest).toFixed(1)} MiB, expected at most ${most}`);
}
