// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MUTATIONS, type Mutation } from './faults.ts';
import { describeFailure } from './report.ts';
import { simulate } from './simulate.ts';

/** A mutation is seen within so many seeds. */
const SEEDS = 300;

test('simulate() lives the same history for the same seed, to the last line, and another for another', async () => {
  for (const seed of [1, 2, 3]) {
    const [one, again, other] = [await simulate(seed), await simulate(seed), await simulate(seed + 100)];
    assert.deepEqual(one.lines, again.lines);
    assert.ok(one.lines.length > 5);
    assert.notDeepEqual(one.lines, other.lines);
  }
});

for (const [mutation, invariant] of Object.entries(MUTATIONS) as [Mutation, string][]) {
  test(`simulate() finds that ${mutation}`, async (context) => {
    const mutations = new Set([mutation]);
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const history = await simulate(seed, { mutations });
      if (history.violation?.invariant !== invariant) continue;
      context.diagnostic(`seed ${seed}: ${history.violation.what}`);
      return;
    }
    assert.fail(`it did not violate "${invariant}" within ${SEEDS} seeds`);
  });
}

test('describeFailure() tells the steps that it takes and how to live it again', async () => {
  const mutations = new Set<Mutation>(['a status leaves one principal out']);
  let seed = 1;
  let history = await simulate(seed, { mutations });
  while (history.violation === undefined) history = await simulate((seed += 1), { mutations });
  const text = await describeFailure(history, mutations);
  assert.match(text, /It takes 1 of its \d+ steps:\n {2}at \d+ ms {2}deploys iree/);
  assert.ok(text.endsWith(`Again: script/test simulate --seeds 1 --from ${seed}`));
});
