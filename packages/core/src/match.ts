// SPDX-License-Identifier: Apache-2.0
import { UsageError } from './errors.ts';
import type { Branded } from './names.ts';

/** A pattern over names that {@link parseGlob} accepted. */
export type Glob = Branded<'Glob'>;

/** Characters of a pattern: a name has 80, and nobody needs many times more to describe one. */
export const GLOB_MAX_LENGTH = 500;

/**
 * True when the whole of `name` fits `pattern`. Both are split at `/`: `*` stands for exactly one segment that is not empty, `**` for
 * any number of segments, none included (`iree/**` fits `iree`); everything else stands for itself, so that a `*` glued to text fits
 * no name. Compare names, not paths with `.` or `..` in them.
 *
 * Never tries again what it tried: at most (segments of `name`) × (longest run of the pattern between two `**`) comparisons, plus one
 * for each segment of the pattern.
 */
export function matchGlob(pattern: string, name: string): boolean {
  return matchSegments(pattern.split('/'), name.split('/'));
}

/** A pattern from outside. Throws `invalid_glob`: a `*` glued to text would fit nothing, and a denial that fits nothing is a hole. */
export function parseGlob(text: string): Glob {
  const fault = globFault(text);
  if (fault === undefined) return text as Glob;
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  throw new UsageError('invalid_glob', `Cannot use ${JSON.stringify(shown)} as a pattern: ${fault}`);
}

function globFault(text: string): string | undefined {
  if (text.length > GLOB_MAX_LENGTH) return `it is longer than ${GLOB_MAX_LENGTH} characters`;
  for (const segment of text.split('/')) {
    if (segment === '') return 'it has an empty segment';
    if (segment !== '*' && segment !== '**' && !/^[a-z0-9=-][a-z0-9._=-]*$/.test(segment)) {
      return `segment ${JSON.stringify(segment)} is neither "*" (one segment), nor "**" (any number of them), nor part of a name`;
    }
  }
  return undefined;
}

/**
 * {@link matchGlob} on segments. When a run of segments after a `**` does not fit here, it is tried one segment further on; what
 * earlier `**` took is never reconsidered, because the leftmost place where a run fits leaves the most for the rest.
 */
export function matchSegments(pattern: readonly string[], name: readonly string[], onStep: () => void = ignore): boolean {
  let at = 0;
  let wanted = 0;
  let runStart = -1;
  let triedAt = 0;
  while (at < name.length) {
    onStep();
    const segment = pattern[wanted];
    if (segment === '**') {
      wanted += 1;
      runStart = wanted;
      triedAt = at;
      // Nothing can fail after a last `**`.
      if (wanted === pattern.length) return true;
    } else if (segment !== undefined && fits(segment, name[at] ?? '')) {
      wanted += 1;
      at += 1;
    } else if (runStart >= 0) {
      triedAt += 1;
      at = triedAt;
      wanted = runStart;
    } else {
      return false;
    }
  }
  while (pattern[wanted] === '**') {
    onStep();
    wanted += 1;
  }
  return wanted === pattern.length;
}

function fits(segment: string, part: string): boolean {
  return segment === '*' ? part !== '' : segment === part;
}

function ignore(): void {}
