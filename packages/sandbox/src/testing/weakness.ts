// SPDX-License-Identifier: Apache-2.0
import type { StartPlan } from '@bureau/protocol';
import * as v from 'valibot';
import { filterAnswering } from './weak-filters.ts';

/** Words in this order among bwrap's options; `null` is any one word. */
const pattern = v.pipe(v.array(v.nullable(v.string())), v.minLength(1));

/** One change of bwrap's options. It throws when the words are not there: the control would prove nothing. */
const edit = v.union([
  v.strictObject({ take: pattern, by: v.array(v.string()) }),
  v.strictObject({ before: pattern, put: v.array(v.string()) }),
]);
type Edit = v.InferOutput<typeof edit>;

/** One guard that a launcher of a test leaves out of what it tells a relay. */
const weakness = v.strictObject({
  options: v.optional(v.array(edit), []),
  /** A filter that allows every call; a relay starts nothing without any. */
  filter: v.optional(v.literal('allows-everything')),
  /** What is mounted is not compared with what the launcher judged. */
  mountSources: v.optional(v.literal('unchecked')),
});
export type Weakness = v.InferInput<typeof weakness>;

/** Which principals' sandboxes are weak, and how. */
const weaknesses = v.record(v.string(), weakness);
export type Weaknesses = v.InferInput<typeof weaknesses>;

/** Reads a file of weaknesses: the one of this principal, if it has one. Throws when the text is none. */
export function weaknessOf(principal: string, text: string): Weakness | undefined {
  return v.parse(weaknesses, JSON.parse(text))[principal];
}

/** What the launcher tells a relay, with one guard away. Pure. */
export function weakened(start: StartPlan, { options = [], filter, mountSources }: Weakness): StartPlan {
  return {
    ...start,
    options: options.reduce(edited, start.options),
    ...(filter === undefined ? {} : { seccomp: filterAnswering([], 1) }),
    ...(mountSources === undefined ? {} : { mountSources: [] }),
  };
}

function edited(options: readonly string[], change: Edit): readonly string[] {
  const words = 'take' in change ? change.take : change.before;
  const fits = (found: string | undefined, word: string | null): boolean => found !== undefined && (word === null || found === word);
  const at = options.findIndex((_, index) => words.every((word, offset) => fits(options[index + offset], word)));
  if (at < 0) throw new Error(`The options do not hold ${words.join(' ')}`);
  return 'take' in change ? options.toSpliced(at, words.length, ...change.by) : options.toSpliced(at, 0, ...change.put);
}
