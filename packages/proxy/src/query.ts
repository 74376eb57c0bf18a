// SPDX-License-Identifier: Apache-2.0
import type { GenericSchema, InferOutput } from 'valibot';
import { Problem, quoted } from './problem.ts';
import { validate } from './validation.ts';

/**
 * A query as the route's schema makes it, each name at most once. Throws the `Problem`s 400 `invalid_query`, `unknown_field` and
 * `invalid_field`.
 */
export function readQuery<Schema extends GenericSchema>(query: string, schema: Schema): InferOutput<Schema> {
  if (/%(?![0-9A-Fa-f]{2})/.test(query))
    throw new Problem(400, 'invalid_query', 'Expected a percent-encoded query, found a "%" that encodes nothing.');
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name in values) throw new Problem(400, 'invalid_query', `Expected ${quoted(name)} once in the query; send it once.`);
    values[name] = value;
  }
  return validate(values, schema, 'the query');
}
