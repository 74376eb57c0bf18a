// SPDX-License-Identifier: Apache-2.0
import type { TemplateContent } from '@bureau/protocol';
import type { Layer } from './fields.ts';
import { layerOf } from './library.ts';
import { partsOf } from './parts.ts';
import { same } from './tighter.ts';

/** One part that two templates say differently; a side that does not say it is absent. */
export interface Difference {
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** In what two contents differ, part by part; nothing when they say the same. The order of keys, and `v`, say nothing. */
export function contentDifferences(before: TemplateContent | undefined, after: TemplateContent | undefined): Difference[] {
  return compare(contentParts(before), contentParts(after));
}

/** In what two flattened templates differ. */
export function layerDifferences(before: Layer, after: Layer): Difference[] {
  return compare(partsOf(before), partsOf(after));
}

function contentParts(content: TemplateContent | undefined): Map<string, unknown> {
  if (content === undefined) return new Map();
  const own = (['description', 'inherits', 'locked', 'signature'] as const).flatMap((name) =>
    content[name] === undefined ? [] : [[name, content[name]] as const],
  );
  return new Map<string, unknown>([...own, ...partsOf(layerOf(content))]);
}

function compare(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): Difference[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((path) => {
    if (before.has(path) && after.has(path) && same(before.get(path), after.get(path))) return [];
    return [
      {
        path,
        ...(before.has(path) ? { before: before.get(path) } : {}),
        ...(after.has(path) ? { after: after.get(path) } : {}),
      },
    ];
  });
}
