// SPDX-License-Identifier: Apache-2.0
import type { Difference } from '@bureau/templates';
import * as v from 'valibot';
import { printable, printableJson } from '../matrix/printable.ts';

/** One part that differs; the side that does not say it is absent. */
export const shownDifference = v.strictObject({ path: v.string(), before: v.optional(v.unknown()), after: v.optional(v.unknown()) });

/** For a person: what goes with `-`, what comes with `+`. */
export function differenceLines(differences: readonly Difference[]): string[] {
  return differences.flatMap(({ path, ...sides }) => [
    ...('before' in sides ? [`- ${printable(path)}: ${printableJson(sides.before)}`] : []),
    ...('after' in sides ? [`+ ${printable(path)}: ${printableJson(sides.after)}`] : []),
  ]);
}
