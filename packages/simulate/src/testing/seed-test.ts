// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSeedsInThread } from '../run-seeds-in-thread.ts';

/** The test of a range of seeds; a failure tells the first histories, and how to live them again. */
export function seedTest(from: number, count: number): void {
  test(`no history of the seeds ${from} to ${from + count - 1} violates an invariant`, async (context) => {
    const began = performance.now();
    const { failed, told } = await runSeedsInThread(from, count);
    context.diagnostic(`${Math.round((count * 1_000) / (performance.now() - began))} histories/s`);
    assert.equal(failed.length, 0, `${failed.length} of ${count}: ${failed.slice(0, 20).join(' ')}\n\n${told.join('\n\n')}`);
  });
}
