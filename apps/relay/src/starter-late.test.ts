// SPDX-License-Identifier: Apache-2.0
// A starter waits for bubblewrap, for its launcher and for a reason to wake its relay, and for none of them for good.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATE, planOf, STANDS, StarterPrograms } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();

/** What the function gives, and that it took this long at least: nothing else ended the wait. */
function after<Result>(milliseconds: number, wait: () => Result): Result {
  const began = performance.now();
  const result = wait();
  // The starter's wait began a little before ours.
  assert.ok(performance.now() - began > milliseconds - 100, 'it ended for another reason');
  return result;
}

test('a bubblewrap that makes no sandbox is given up: the relay is told, and nothing was run', async () => {
  await using starter = programs.born('hurried');
  starter.plan(planOf('read -r line; exit 0'));
  const taken = after(300, () => starter.takeOver()!);
  assert.equal(taken.failure, 'bwrap made no sandbox within 300 ms');
  assert.deepEqual([taken.init, taken.gate !== undefined, taken.early, starter.outputLog.length], [undefined, true, [], 0]);
});

test('a launcher that says nothing is given up: the relay is told, and nothing was run', async () => {
  await using starter = programs.born('hurried');
  starter.plan(planOf(`${STANDS}; ${GATE}; echo ran; exit 0`));
  const pid = await starter.stands();
  const taken = after(400, () => starter.takeOver()!);
  assert.equal(taken.failure, 'Expected the launcher to say "go" within 400 ms, found nothing; the command was not run');
  assert.deepEqual([taken.init, taken.gate !== undefined, taken.early, starter.outputLog.length], [pid, true, [], 0]);
});

test('a command that says nothing, and that nobody asks for, has its relay all the same', async () => {
  await using starter = programs.born('hurried');
  const pid = await starter.runs(planOf(`${STANDS}; ${GATE}; read -r line; exit 0`));
  const taken = after(500, () => starter.takeOver()!);
  assert.deepEqual([taken.failure, taken.init, taken.gate, taken.early], ['', pid, undefined, []]);
});
