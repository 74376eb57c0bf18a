// SPDX-License-Identifier: Apache-2.0
import { sandboxProfile, type Mount } from '@bureau/protocol';
import type { Tighter } from './fields.ts';
import { mountPlace } from './overlay.ts';

interface Order {
  /** For the reference page: what a lock lets through. */
  readonly text: string;
  /** Whether `now` is what `was` is, or tighter. Both as the schema reads them. */
  readonly holds: (was: unknown, now: unknown) => boolean;
  /** What may stand where `was` is locked. */
  readonly expected: (was: unknown) => string;
}

const strictest = sandboxProfile.options;

/** What counts as tighter. Where there is no order, nothing but the same does. */
export const TIGHTER: { readonly [Name in Tighter]: Order } = {
  same: {
    text: 'nothing: it stays as it is',
    holds: same,
    expected: (was) => (was === undefined ? 'nothing there' : shown(was)),
  },
  smaller: {
    text: 'a smaller number; one that nobody had said, not at all',
    holds: (was, now) => same(was, now) || (typeof was === 'number' && typeof now === 'number' && now <= was),
    expected: (was) => (was === undefined ? 'nothing there' : `${shown(was)} or less`),
  },
  stricter: {
    text: `a stricter one (${strictest.join(', ')})`,
    holds: (was, now) => same(was, now) || (rank(now) >= 0 && rank(now) <= rank(was)),
    expected: (was) =>
      strictest
        .slice(0, rank(was) + 1)
        .map(shown)
        .join(' or '),
  },
  off: {
    text: '`false`',
    holds: (was, now) => same(was, now) || now === false,
    expected: (was) => (was === true ? 'true or false' : 'false'),
  },
  more: {
    text: 'more of them',
    holds: (was, now) => Array.isArray(was) && Array.isArray(now) && was.every((each) => now.includes(each)),
    expected: (was) => `at least ${shown(was)}`,
  },
  narrower: {
    text: 'none more; `"mode": "ro"` instead of `"rw"`; a smaller `size`',
    holds: (was, now) => same(was, now) || narrower(was as Mount | undefined, now as Mount | undefined),
    expected: (was) => (was === undefined ? 'no mount there' : `${shown(was)}, or the same read-only or smaller`),
  },
};

/** Whether two JSON values say the same; the order of keys says nothing. */
export function same(one: unknown, other: unknown): boolean {
  return one === other || canonical(one) === canonical(other);
}

/** A value for a message: short, on one line. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : each,
  );
}

function rank(profile: unknown): number {
  return strictest.findIndex((each) => each === profile);
}

function narrower(was: Mount | undefined, now: Mount | undefined): boolean {
  if (was === undefined || now === undefined || mountPlace(was) !== mountPlace(now)) return false;
  if (was.type === 'bind' && now.type === 'bind') return same({ ...was, mode: 'ro' }, now);
  if ((was.type === 'tmpfs' && now.type === 'tmpfs') || (was.type === 'overlay' && now.type === 'overlay'))
    return now.size <= was.size && same({ ...was, size: now.size }, now);
  return false;
}
