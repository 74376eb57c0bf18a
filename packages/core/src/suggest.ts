// SPDX-License-Identifier: Apache-2.0

/** Changes between two words that still count as a slip of the hand. */
const DISTANCE_MAX = 2;
/** Words up to this length are another word after two changes. */
const SHORT_WORD = 3;
/** Nobody meant a known word by more characters than this. */
const WORD_MAX = 100;

/**
 * The candidate that was probably meant by an unknown word, for "did you mean …": the nearest within two changes (one letter more,
 * less, other, or two swapped; one change for short words), else the first that begins with the word; `undefined` when none is near.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length < 2 || word.length > WORD_MAX) return undefined;
  let best: string | undefined;
  let bestDistance = word.length <= SHORT_WORD ? 1 : DISTANCE_MAX;
  let longer: string | undefined;
  for (const candidate of candidates) {
    if (candidate.startsWith(word)) longer ??= candidate;
    if (Math.abs(candidate.length - word.length) > bestDistance) continue;
    const found = distance(word, candidate);
    if (found > bestDistance || (found === bestDistance && best !== undefined)) continue;
    best = candidate;
    bestDistance = found;
  }
  return best ?? longer;
}

/** Optimal string alignment: Levenshtein's distance, with a swap of neighbours as one change. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(at(previous, column) + 1, at(current, column - 1) + 1, at(previous, column - 1) + cost);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, at(before, column - 2) + 1);
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
