// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { Measure } from '../../../build/bench/measure.ts';
import { wholeRun } from './timing.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** Starts in one round, so that a round is longer than the noise of one start. */
const STARTS = 10;

async function mean(once: () => Promise<number>): Promise<number> {
  let total = 0;
  for (let start = 0; start < STARTS; start += 1) total += await once();
  return total / STARTS;
}

export const measures: readonly Measure[] = [
  {
    name: 'bureau --version, against node -e 0 (ms)',
    target: '≤ 2x',
    rounds: 9,
    prepare: async () => {
      // Builds when nothing is built yet; the number is then about the build as it is installed.
      await wholeRun(join(ROOT, 'script/build'), []);
      return {
        ours: () => mean(() => wholeRun(join(ROOT, 'bin/bureau'), ['--version'])),
        baseline: () => mean(() => wholeRun(join(ROOT, '.toolchain/bin/node'), ['-e', '0'])),
        close: async () => {},
      };
    },
    holds: (ours, baseline) => ours <= 2 * baseline,
  },
];
