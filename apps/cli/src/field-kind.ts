// SPDX-License-Identifier: Apache-2.0
import type { GenericSchema } from 'valibot';

/** How a field is given on a command line. */
export type FieldKind = 'boolean' | 'list' | 'number' | 'text';

/** A schema's parts that say what it takes: `optional` wraps another, a pipe begins with one. */
interface Layers {
  readonly type: string;
  readonly wrapped?: GenericSchema;
  readonly pipe?: readonly GenericSchema[];
}

/** Reads from a field's schema how its value is written on a command line. */
export function fieldKind(schema: GenericSchema | undefined): FieldKind {
  const { type } = innermost(schema);
  if (type === 'boolean') return 'boolean';
  if (type === 'array') return 'list';
  return type === 'number' ? 'number' : 'text';
}

/** Whether a field must be given. */
export function isRequired(schema: GenericSchema | undefined): boolean {
  return schema?.type !== 'optional';
}

/** What an option is unless it is given, where its schema names a text or number. */
export function defaultText(schema: GenericSchema | undefined): string | undefined {
  const value = (schema as { readonly default?: unknown } | undefined)?.default;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function innermost(schema: GenericSchema | undefined): Layers {
  let layers = schema as Layers | undefined;
  while (layers?.wrapped !== undefined) layers = layers.wrapped as Layers;
  const [first] = layers?.pipe ?? [];
  return first === undefined || first === (layers as unknown) ? (layers ?? { type: 'string' }) : innermost(first);
}
