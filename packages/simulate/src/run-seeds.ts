// SPDX-License-Identifier: Apache-2.0
import { describeFailure } from './report.ts';
import { simulate } from './simulate.ts';

/** Failed histories that are told in full; more seldom say more. */
const FAILURES_TOLD = 3;

/** What came of a range of seeds. */
export interface SeedRun {
  readonly histories: number;
  readonly failed: readonly number[];
  /** The first failures in full. */
  readonly told: readonly string[];
  /** Simulated milliseconds of all. */
  readonly lived: number;
}

/** Lives `count` histories, from the seed `from` on, one after the other. */
export async function runSeeds(from: number, count: number): Promise<SeedRun> {
  const failed: number[] = [];
  const told: string[] = [];
  // Thousands of errors are made and told by their messages; nobody reads where they came from.
  Error.stackTraceLimit = 0;
  let lived = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const history = await simulate(seed);
    lived += history.lived;
    if (history.violation === undefined) continue;
    failed.push(seed);
    if (told.length < FAILURES_TOLD) told.push(await describeFailure(history));
  }
  return { histories: count, failed, told, lived };
}
