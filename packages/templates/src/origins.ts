// SPDX-License-Identifier: Apache-2.0
import { TEMPLATE_FIELDS, type FieldName } from './fields.ts';
import type { ResolvedTemplate } from './library.ts';
import { partsOf } from './parts.ts';

/** One part of a resolved template. */
export interface Origin {
  /** `resources.memory`. */
  readonly path: string;
  readonly value: unknown;
  /** Who says it; several where their words are put together, the last word first. */
  readonly from: readonly string[];
  /** Ancestors that lock it. */
  readonly lockedBy: readonly string[];
}

/** Every part of a resolved template with the template that it comes from. */
export function originsOf({ lineage, fields, locks }: ResolvedTemplate): Origin[] {
  const said = lineage.map(({ name, layer }) => ({ name, parts: partsOf(layer) }));
  return [...partsOf(fields)].map(([path, value]) => {
    const field = path.split(/[.[]/, 1)[0] as FieldName;
    const { merge } = TEMPLATE_FIELDS[field];
    const sayers = said.filter(({ parts }) => parts.has(path)).map(({ name }) => name);
    const from = merge === 'prepend' ? sayers.toReversed() : sayers.slice(merge === 'union' ? 0 : -1).slice(0, 1);
    const lockedBy = locks.filter((lock) => lock.path === field || lock.path === path).map(({ by }) => by);
    return { path, value, from, lockedBy: [...new Set(lockedBy)] };
  });
}
