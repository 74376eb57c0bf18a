// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { Problem, quoted } from './problem.ts';

/**
 * A value of the agent's as the schema makes it. `what` names the whole of it in problems (`the body`). Throws the `Problem`s 400
 * `unknown_field` and `invalid_field`, which name the field and never quote the value.
 */
export function validate<Schema extends v.GenericSchema>(value: unknown, schema: Schema, what: string): v.InferOutput<Schema> {
  // valibot takes an array for an object without properties.
  if (Array.isArray(value) && schema.type.endsWith('object')) {
    throw new Problem(400, 'invalid_field', `Cannot use ${what}: expected a JSON object, found an array.`, { extensions: { field: '' } });
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  const field = path === '' ? what : quoted(path);
  if (issue.expected === 'never') {
    throw new Problem(400, 'unknown_field', `Field ${field} is not known here; leave it out.`, { extensions: { field: path } });
  }
  throw new Problem(400, 'invalid_field', `Cannot use ${field}: ${reason(issue)}.`, { extensions: { field: path } });
}

/** Why a value was refused, without the value: validations have messages of ours (each gives one), types are named. */
function reason(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === 'validation') return issue.message;
  if (issue.received === 'undefined') return 'it is missing';
  return `expected ${issue.expected ?? 'something else'}, found ${kindOf(issue.input)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
