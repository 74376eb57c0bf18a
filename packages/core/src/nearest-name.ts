// SPDX-License-Identifier: Apache-2.0

/** Characters of a name that are compared: a stranger's may have thousands, and the work grows with their square. */
const COMPARED_MAX = 100;

/**
 * What somebody who wrote `name` may have meant: the known one that takes the fewest edits to reach, unless more than half of it would
 * have to change. `undefined` when none is near. Of several equally near ones the first.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const written = name.slice(0, COMPARED_MAX);
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(written.length / 2)) + 1;
  for (const candidate of known) {
    const edits = editsBetween(written.toLowerCase(), candidate.slice(0, COMPARED_MAX).toLowerCase());
    if (edits >= least) continue;
    nearest = candidate;
    least = edits;
  }
  return nearest;
}

/** Letters to insert, remove, replace, or swap with their neighbour (optimal string alignment). */
function editsBetween(from: string, to: string): number {
  let [beforeLast, last] = [[] as number[], Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const replaced = (last[column - 1] ?? 0) + (same ? 0 : 1);
      const best = Math.min(replaced, (last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      current.push(swapped ? Math.min(best, (beforeLast[column - 2] ?? 0) + 1) : best);
    }
    [beforeLast, last] = [last, current];
  }
  return last[to.length] ?? 0;
}
