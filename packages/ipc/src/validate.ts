// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import * as v from 'valibot';

/** What is wrong in `value`, as the path of the first wrong field and the expectation; the value itself is never quoted. */
function describeIssue(issue: v.BaseIssue<unknown>): { readonly path: string; readonly fault: string } {
  const path = v.getDotPath(issue) ?? '';
  const generated = issue.message.startsWith('Invalid ') && issue.message.includes('received ');
  const fault = generated ? `expected ${issue.expected ?? 'something else'}, found ${kindOf(issue)}` : issue.message;
  return { path, fault: fault.length > 300 ? `${fault.slice(0, 299)}…` : fault };
}

function kindOf(issue: v.BaseIssue<unknown>): string {
  const value = issue.input;
  if (issue.expected === 'never') return 'a field that this version does not know';
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return `a text of ${value.length} characters`;
  if (typeof value === 'number') return `the number ${value}`;
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`;
}

/**
 * The value as the schema gives it. Throws a BureauError with `code`, whose message names the wrong field ("launcher.create: input field
 * spec.command: …") and whose `data.path` is its path.
 */
export function validated<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  code: string,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const { path, fault } = describeIssue(result.issues[0]);
  throw new BureauError(code, path === '' ? `${what}: ${fault}.` : `${what}: field ${JSON.stringify(path)}: ${fault}.`, { data: { path } });
}
