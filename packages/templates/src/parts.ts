// SPDX-License-Identifier: Apache-2.0
import type { Mount } from '@bureau/protocol';
import { FIELD_NAMES, TEMPLATE_FIELDS, isMap, type FieldName, type Layer } from './fields.ts';
import { mountPlace } from './overlay.ts';

/** What a layer says, in the smallest parts that are merged: `command`, `environment.HOME`, `mounts[/data]`, `createDirectories[/x]`. */
export function partsOf(layer: Layer): Map<string, unknown> {
  return new Map(FIELD_NAMES.flatMap((field) => partsOfField(field, layer[field])));
}

function partsOfField(field: FieldName, value: unknown): (readonly [string, unknown])[] {
  if (value === undefined) return [];
  if (isMap(field)) return Object.entries(value as object).map(([key, each]) => [`${field}.${key}`, each] as const);
  const { merge } = TEMPLATE_FIELDS[field];
  if (merge === 'places') return (value as readonly Mount[]).map((mount) => [`${field}[${mountPlace(mount)}]`, mount] as const);
  if (merge === 'union') return (value as readonly string[]).map((each) => [`${field}[${each}]`, each] as const);
  return [[field, value]];
}
