// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { text } from './scalars.ts';

/** Fields of one match; a condition that needs more is a program. */
const FIELDS_MAX = 32;
/** Values of one `$in`. */
const VALUES_MAX = 100;

/** What a field may be compared with: JSON's scalars, as Matrix carries them (no fractions). */
const scalar = v.union([text(1_000), v.pipe(v.number(), v.safeInteger()), v.boolean()]);
type Scalar = v.InferOutput<typeof scalar>;

const bound = v.optional(v.pipe(v.number(), v.safeInteger()));

/** Comparisons of one field; all of them must hold. */
const comparison = v.pipe(
  v.strictObject({
    $eq: v.optional(scalar),
    $lt: bound,
    $lte: bound,
    $gt: bound,
    $gte: bound,
    $in: v.optional(v.pipe(v.array(scalar), v.minLength(1), v.maxLength(VALUES_MAX))),
  }),
  v.check((value) => Object.keys(value).length > 0, 'expected at least one of $eq, $lt, $lte, $gt, $gte, $in'),
);

/**
 * What an event's content must look like: field of its top level → a scalar that it equals, or comparisons. All fields must match. A field
 * that is a list matches when one of its elements does; one that is missing never matches.
 */
export const contentMatch = v.pipe(
  v.record(
    v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
    v.union([scalar, comparison], 'expected a value, or $eq, $lt, $lte, $gt, $gte, $in'),
  ),
  v.check((match) => Object.keys(match).length <= FIELDS_MAX, `expected at most ${FIELDS_MAX} fields`),
);
export type ContentMatch = v.InferOutput<typeof contentMatch>;

/** Whether a content is as `match` wants it; any content, also one that is no object. Linear in both. */
export function matchesContent(match: ContentMatch, content: unknown): boolean {
  return Object.entries(match).every(([field, wanted]) => {
    if (typeof content !== 'object' || content === null || !Object.hasOwn(content, field)) return false;
    const found: unknown = (content as Readonly<Record<string, unknown>>)[field];
    return Array.isArray(found) ? found.some((each) => holds(wanted, each)) : holds(wanted, found);
  });
}

function holds(wanted: ContentMatch[string], found: unknown): boolean {
  if (typeof wanted !== 'object') return found === wanted;
  const { $eq, $lt, $lte, $gt, $gte, $in } = wanted;
  if ($eq !== undefined && found !== $eq) return false;
  if ($in !== undefined && !$in.includes(found as Scalar)) return false;
  const ordered: readonly [number | undefined, (value: number, limit: number) => boolean][] = [
    [$lt, (value, limit) => value < limit],
    [$lte, (value, limit) => value <= limit],
    [$gt, (value, limit) => value > limit],
    [$gte, (value, limit) => value >= limit],
  ];
  return ordered.every(([limit, compare]) => limit === undefined || (typeof found === 'number' && compare(found, limit)));
}
