// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeStartPlan, type StartPlan } from './start-plan.ts';

const PLAN: StartPlan = {
  line: ['/usr/bin/bwrap', '--', 'ä'],
  options: [],
  seccomp: new Uint8Array([1, 2]),
  mountSources: [{ path: '/a', identity: '1:2' }],
  devices: ['/dev/null'],
  terminal: true,
  holdForObserver: false,
  limits: { openFiles: 64, fileSize: 2 ** 40, processes: 7 },
  relay: new Uint8Array([9]),
};

/** What `plan.c` makes of it, in other words. */
function decode(bytes: Uint8Array): { flags: number; limits: bigint[]; parts: Buffer[]; rest: number } {
  const plan = Buffer.from(bytes);
  const parts: Buffer[] = [];
  let at = 28;
  while (parts.length < 6) {
    const size = plan.readUInt32BE(at);
    parts.push(plan.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  const limits = [4, 12, 20].map((place) => plan.readBigUInt64BE(place));
  return { flags: plan.readUInt32BE(0), limits, parts, rest: plan.length - at };
}

test('encodeStartPlan writes numbers, then each part behind its length', () => {
  const { flags, limits, parts, rest } = decode(encodeStartPlan(PLAN));
  assert.deepEqual([flags, limits, rest], [1, [64n, 2n ** 40n, 7n], 0]);
  const texts = ['/usr/bin/bwrap\0--\0ä\0', '', '\u0001\u0002', '/a\u00001:2\0', '/dev/null\0', '\t'];
  assert.deepEqual(
    parts.map((part) => part.toString()),
    texts,
  );
});

test('encodeStartPlan writes 0 for a limit that is none, and each flag for itself', () => {
  const { flags, limits } = decode(encodeStartPlan({ ...PLAN, limits: undefined, terminal: false, holdForObserver: true }));
  assert.deepEqual([flags, limits], [2, [0n, 0n, 0n]]);
});
