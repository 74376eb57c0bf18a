// SPDX-License-Identifier: Apache-2.0
import type { Cleanups } from './cleanups.ts';

/** Both sides of a measure, ready to run. */
export interface Contest {
  /** One round of ours; gives one number in the measure's unit. */
  ours(): Promise<number>;
  /** One round of what we compare with. */
  baseline(): Promise<number>;
  /** Ends processes and removes files; called in any case. */
  close(): Promise<void>;
}

/** One line of the table. A file `packages/<package>/bench/<area>.bench.ts` exports `measures: readonly Measure[]`. */
export interface Measure {
  /** What is measured, with its unit: `small request, p50 (µs)`. */
  readonly name: string;
  /** What must hold, for a person: `≤ 1.5x`. Empty: reported only. */
  readonly target: string;
  /** Rounds of each side; they alternate, so that noise meets both, and their medians are compared. */
  readonly rounds: number;
  /** Its contest is closed however the bench ends; what takes long to begin (a stand) may be given up sooner by `cleanups`. */
  prepare(cleanups: Cleanups): Promise<Contest>;
  /** Whether the target holds for the medians. */
  holds(ours: number, baseline: number): boolean;
}

/** The result of a measure, as `--json` prints it. */
export interface Row {
  readonly name: string;
  readonly ours: number;
  readonly baseline: number;
  /** ours / baseline */
  readonly ratio: number;
  readonly target: string;
  readonly ok: boolean;
}

/**
 * Rows that share one long preparation, with notes beside them. A file `packages/<package>/bench/<area>.bench.ts` exports
 * `reports: readonly Report[]` instead of, or beside, `measures`.
 */
export interface Report {
  readonly name: string;
  /**
   * `full`: as many rounds as the target names; otherwise a sample. `say` prints a line that is no row. Cleans up in any case; what would stay
   * behind when it is interrupted is `cleanups`' as well.
   */
  run(options: { readonly full: boolean; readonly say: (line: string) => void; readonly cleanups: Cleanups }): AsyncIterable<Row>;
}

/** A row from two numbers in one unit. */
export function rowOf(name: string, ours: number, baseline: number, target: string, ok: boolean): Row {
  return { name, ours: round3(ours), baseline: round3(baseline), ratio: round3(ours / baseline), target, ok };
}

/** The value below which `share` of the numbers are: 0.5, 0.99. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle of the numbers (the mean of the two middle ones). */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** Runs a measure: one round of each to warm up, then alternating rounds, each pair in the other order. */
export async function runMeasure(measure: Measure, cleanups: Cleanups): Promise<Row> {
  const preparing = measure.prepare(cleanups);
  // Interrupted while it prepares, it is closed as soon as that is done: only then is it known what there is.
  const close = cleanups.add(async () => (await preparing.catch(() => undefined))?.close());
  try {
    const contest = await preparing;
    await contest.baseline();
    await contest.ours();
    const ours: number[] = [];
    const baseline: number[] = [];
    for (let round = 0; round < measure.rounds; round += 1) {
      if (round % 2 === 0) baseline.push(await contest.baseline());
      ours.push(await contest.ours());
      if (round % 2 === 1) baseline.push(await contest.baseline());
    }
    const [a, b] = [median(ours), median(baseline)];
    return rowOf(measure.name, a, b, measure.target, measure.holds(a, b));
  } finally {
    await close();
  }
}

function round3(value: number): number {
  return value >= 1_000 ? Math.round(value) : Number(value.toPrecision(3));
}
