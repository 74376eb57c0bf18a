// SPDX-License-Identifier: Apache-2.0
import { Chance } from './chance.ts';
import { calm, type Mutation } from './faults.ts';
import type { Violation } from './judge.ts';
import { judgeQuiet } from './oracle.ts';
import { BUSY, stepsOf, type Step } from './steps.ts';
import { World } from './world.ts';

/** Milliseconds without any fault, after which all must be as the rooms say. Longer than the longest pause and deadline together. */
const QUIET = 420_000;

/** One history, lived to its end or to its first violation. */
export interface History {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly violation: Violation | undefined;
  /** What happened, a line each. */
  readonly lines: readonly string[];
  /** Simulated milliseconds. */
  readonly lived: number;
}

export interface SimulateOptions {
  /** What is wrong in the world on purpose; nothing when absent. */
  readonly mutations?: ReadonlySet<Mutation>;
  /** Instead of the seed's own; for shrinking. */
  readonly steps?: readonly Step[];
}

/** Lives the history of a seed: the same seed, the same history, on every machine. */
export async function simulate(
  seed: number,
  { mutations = new Set(), steps = stepsOf(new Chance(seed, 'steps')) }: SimulateOptions = {},
): Promise<History> {
  const world = new World(seed, mutations);
  const { time, judge } = world;
  for (const { at, what, run } of steps) {
    time.after(at, () => {
      judge.tell('—', what);
      run(world);
    });
  }
  time.after(BUSY, () => {
    judge.tell('—', 'from here on nothing goes wrong');
    Object.assign(world.weather, calm());
    world.daemon?.life.endBefore(Number.POSITIVE_INFINITY);
  });
  while (judge.violation === undefined && (await time.step(BUSY + QUIET)));
  if (judge.violation === undefined) judgeQuiet(world);
  return { seed, steps, violation: judge.violation, lines: judge.lines, lived: time.now };
}

/** Leaves out steps as long as the same invariant is violated: what is left is what it takes. */
export async function shrink(history: History, mutations?: ReadonlySet<Mutation>): Promise<History> {
  let shortest = history;
  for (let index = 0; index < shortest.steps.length;) {
    const steps = shortest.steps.toSpliced(index, 1);
    const shorter = await simulate(history.seed, { steps, ...(mutations === undefined ? {} : { mutations }) });
    if (shorter.violation?.invariant === history.violation?.invariant) shortest = shorter;
    else index += 1;
  }
  return shortest;
}
