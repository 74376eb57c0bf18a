// SPDX-License-Identifier: Apache-2.0
import type { Mutation } from './faults.ts';
import { shrink, type History } from './simulate.ts';

/** Lines of a history that are shown: the end is where it went wrong. */
const LINES_SHOWN = 80;
/** Characters of a line that are shown. */
const LINE_SHOWN = 200;

/** A failed history as a person reads it: what is wrong, the steps that it takes, what happened, how to see it again. */
export async function describeFailure(history: History, mutations?: ReadonlySet<Mutation>): Promise<string> {
  const { seed, steps, violation, lines } = await shrink(history, mutations);
  const shown = lines.slice(-LINES_SHOWN).map((line) => (line.length > LINE_SHOWN ? `${line.slice(0, LINE_SHOWN)}…` : line));
  return [
    `Seed ${seed} violates "${history.violation?.invariant}": ${history.violation?.what}`,
    `It takes ${steps.length} of its ${history.steps.length} steps:`,
    ...steps.map(({ at, what }) => `  at ${at} ms  ${what}`),
    `What happened then${lines.length > LINES_SHOWN ? ` (the last ${LINES_SHOWN} of ${lines.length} lines)` : ''}:`,
    ...shown.map((line) => `  ${line}`),
    ...(violation?.what === history.violation?.what ? [] : [`There it is: ${violation?.what}`]),
    `Again: script/test simulate --seeds 1 --from ${seed}`,
  ].join('\n');
}
