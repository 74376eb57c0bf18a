// SPDX-License-Identifier: Apache-2.0
import type { Mount } from '@bureau/protocol';
import { FIELD_NAMES, TEMPLATE_FIELDS, type FieldName, type Layer, type Merge } from './fields.ts';

type Values = Readonly<Record<string, unknown>>;

/** The ways to merge, in words for the reference page and as code: `below` was said first, `above` later. */
export const MERGES: { readonly [Name in Merge]: { readonly text: string; readonly merge: (below: never, above: never) => unknown } } = {
  replace: { text: 'the later one replaces it', merge: (_below: unknown, above: unknown) => above },
  entries: {
    text: 'key by key; the later value of a key replaces it',
    merge: (below: Values, above: Values) => ({ ...below, ...above }),
  },
  union: {
    text: 'all of them, each once, the earlier first',
    merge: (below: readonly string[], above: readonly string[]) => [...new Set([...below, ...above])],
  },
  places: {
    text: 'one at each destination; a later one replaces it where it stands, others follow',
    merge: (below: readonly Mount[], above: readonly Mount[]) => [
      ...new Map([...below, ...above].map((mount) => [mountPlace(mount), mount])).values(),
    ],
  },
  prepend: {
    text: 'key by key; the later value comes first, each directory once',
    merge: (below: Readonly<Record<string, string>>, above: Readonly<Record<string, string>>) => ({
      ...below,
      ...Object.fromEntries(Object.entries(above).map(([name, value]) => [name, prepended(value, own(below, name))])),
    }),
  },
};

/** Where a mount appears in the sandbox; a device under its own name. One template has one mount there. */
export function mountPlace(mount: Mount): string {
  return mount.type === 'device' ? mount.source : mount.destination;
}

/**
 * Two layers into one that says the same as both, `above` over `below`. Associative: which neighbours are put together first does not
 * matter. Idempotent: a layer over itself is itself. Nobody's `null` is lost: it has to take away what comes from below later.
 */
export function overlay(below: Layer, above: Layer): Layer {
  const merged: Partial<Record<FieldName, unknown>> = { ...below };
  for (const field of FIELD_NAMES) {
    const value = above[field];
    if (value === undefined) continue;
    const { merge } = MERGES[TEMPLATE_FIELDS[field].merge];
    merged[field] = merged[field] === undefined ? value : merge(merged[field] as never, value as never);
  }
  return merged as Layer;
}

/** A layer that nothing lies below of: what `null` took away is gone. */
export function withoutTombstones(layer: Layer): Layer {
  if (layer.environment === undefined) return layer;
  return { ...layer, environment: Object.fromEntries(Object.entries(layer.environment).filter(([, value]) => value !== null)) };
}

/** A map's own entry: a name from outside may be one of `Object.prototype`. */
export function own<Value>(map: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function prepended(above: string, below: string | undefined): string {
  if (below === undefined) return above;
  const first = above.split(':');
  return [...first, ...below.split(':').filter((part) => !first.includes(part))].join(':');
}
