// SPDX-License-Identifier: Apache-2.0
import type { Report } from '../../../build/bench/measure.ts';
import { seccompPrograms } from '../src/seccomp-profiles.ts';
import { seccompArchitecture } from '../src/seccomp.ts';
import { BenchStand } from './bench-stand.ts';
import { createTime } from './create-time.ts';

/** At rest, as an instance has them unless its settings say otherwise. */
const WARM = 2;

export const reports: readonly Report[] = [
  {
    name: 'sandbox',
    async *run({ full, say }) {
      await using stand = await BenchStand.start(WARM);
      const seccomp = seccompPrograms(seccompArchitecture(process.arch)).default;
      yield* createTime(stand, { rounds: full ? 200 : 30, seccomp, warm: WARM, say });
    },
  },
];
