// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atOnce } from './at-once.ts';
import type { CommandResult } from './command.ts';

/** A command that takes these milliseconds, one after the other; the last one again and again. */
function taking(...times: number[]): () => Promise<CommandResult> {
  return async () => ({
    ...{ code: 1, signal: null, stdout: '', stderr: `after ${times[0]}`, stdoutBytes: Buffer.alloc(0) },
    milliseconds: (times.length > 1 ? times.shift() : times[0]) ?? 0,
  });
}

const quick = { bureau: taking(250) };

test('atOnce: what was quick is not asked again, and what was slow by chance is', async () => {
  assert.equal((await atOnce(quick, taking(300))).milliseconds, 300);
  assert.equal((await atOnce(quick, taking(9_000, 300))).stderr, 'after 9000', 'the first one’s answer counts');
});

test('atOnce: what waits every time is refused, and on a slow machine only what takes longer than all else there', async () => {
  const always = (milliseconds: number): RegExp =>
    new RegExp(`it took ${milliseconds}, ${milliseconds}, ${milliseconds} ms, and was: after`);
  await assert.rejects(atOnce(quick, taking(5_000)), always(5_000));
  const slow = { bureau: taking(1_000) };
  assert.equal((await atOnce(slow, taking(5_000))).milliseconds, 5_000);
  await assert.rejects(atOnce(slow, taking(10_000)), always(10_000));
});
