// SPDX-License-Identifier: Apache-2.0
import type { Report, Row } from '../../../build/bench/measure.ts';
import { median, rowOf } from '../../../build/bench/measure.ts';
import { seccompPrograms } from '../src/seccomp-profiles.ts';
import { seccompArchitecture } from '../src/seccomp.ts';
import { BenchStand } from './bench-stand.ts';
import { createTime } from './create-time.ts';
import { destroyTime } from './destroy-time.ts';
import { many } from './many.ts';
import { findPeers } from './peers.ts';
import { unsealTime } from './unseal-time.ts';

/** At rest, as an instance has them unless its settings say otherwise. */
const WARM = 2;
const PEER_ROUNDS = 5;

export const reports: readonly Report[] = [
  {
    name: 'sandbox',
    async *run({ full, say, cleanups }) {
      const seccomp = seccompPrograms(seccompArchitecture(process.arch)).default;
      yield* unsealTime(say);
      let create: number | undefined;
      {
        await using stand = await BenchStand.start(WARM, cleanups);
        for await (const row of createTime(stand, { rounds: full ? 200 : 30, seccomp, warm: WARM, say })) {
          create ??= row.ours;
          yield row;
        }
      }
      yield* beside(create ?? Number.NaN, full, say);
      const [parallel, idle] = full ? [50, 100] : [10, 10];
      await using stand = await BenchStand.start(parallel, cleanups);
      yield* destroyTime(stand, { cycles: full ? 1_000 : 30, warm: parallel });
      yield* many(stand, { count: parallel, idle, warm: parallel, seccomp, say });
    },
  },
];

async function* beside(create: number, full: boolean, say: (line: string) => void): AsyncGenerator<Row> {
  for (const { name, run } of findPeers(full)) {
    if (typeof run === 'string') {
      say(`${name}: ${run}`);
      continue;
    }
    try {
      const times: number[] = [];
      for (let round = 0; round < PEER_ROUNDS; round += 1) times.push(await run());
      yield rowOf(`create to first output, p50, against ${name} (ms)`, create, median(times), '', true);
    } catch (error) {
      say(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
