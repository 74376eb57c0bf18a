// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rowOf, type Report } from '../../../build/bench/measure.ts';
import { runSeedsInThread } from '../src/index.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PER_SECOND = 200;

export const reports: readonly Report[] = [
  {
    name: 'simulator',
    async *run({ full }) {
      const seeds = full ? 5_000 : 1_000;
      const words = ['build/simulate.ts', '--seeds', `${seeds}`, '--json'];
      const { stdout } = await promisify(execFile)(join(ROOT, 'script/node'), words, { timeout: 240_000 });
      const { perSecond, failed } = JSON.parse(stdout) as { perSecond: number; failed: number[] };
      const alone = seeds / 5;
      const began = performance.now();
      await runSeedsInThread(1, alone);
      const one = (alone * 1_000) / (performance.now() - began);
      const ok = failed.length === 0 && perSecond >= PER_SECOND;
      yield rowOf(`simulated histories a second, ${seeds} on all cores, against one core`, perSecond, one, `>= ${PER_SECOND}`, ok);
    },
  },
];
