// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Measure } from './measure.ts';

/** Every area with its file: `{packages,apps}/<name>/bench/<area>.bench.ts`. */
export function findAreas(root: string): ReadonlyMap<string, string> {
  const files = globSync('{packages,apps}/*/bench/*.bench.ts', { cwd: root }).toSorted();
  return new Map(files.map((file) => [basename(file, '.bench.ts'), join(root, file)]));
}

/** The measures of one area's file. */
export async function loadMeasures(file: string): Promise<readonly Measure[]> {
  const loaded = (await import(pathToFileURL(file).href)) as { measures?: readonly Measure[] };
  if (!Array.isArray(loaded.measures)) throw new Error(`${file} does not export "measures"`);
  return loaded.measures;
}

/** The known word that is nearest to `word`, when it is near enough to be meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, word.length >> 1) + 1;
  for (const candidate of known) {
    const distance = candidate.startsWith(word) && word !== '' ? 1 : editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein: single letters put in, taken out, replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
