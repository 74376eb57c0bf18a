// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import * as v from 'valibot';
import { readBounded } from './bounded-read.ts';

/**
 * A JSON file that fits a schema. Throws what {@link readBounded} throws, and `file_malformed`: the message names the file and the
 * field (`data.field`) and what was expected there, and never quotes the content, which may be secret.
 */
export function readJson<Schema extends v.GenericSchema>(path: string, schema: Schema, maxBytes: number): v.InferOutput<Schema> {
  const result = v.safeParse(schema, parseJson(path, readBounded(path, maxBytes)), { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const field = v.getDotPath(issue) ?? '';
  throw malformed(path, `${field === '' ? 'at the top' : `field ${JSON.stringify(field)}`}: ${faultOf(issue)}`, field);
}

/** The library's own messages quote what was received; ours do not. */
function faultOf(issue: v.BaseIssue<unknown>): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message;
  if (issue.expected === 'never') return 'it is unknown here';
  return issue.input === undefined ? 'it is missing' : `expected ${issue.expected ?? issue.type}, found ${kindOf(issue.input)}`;
}

function parseJson(path: string, bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed(path, 'expected UTF-8 text, found other bytes', '');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8's message quotes the text around the fault; only the place is taken from it.
    const place = /\(line \d+ column \d+\)/.exec((error as Error).message)?.[0];
    throw malformed(path, `expected JSON, found something else${place === undefined ? '' : ` ${place}`}`, '');
  }
}

function malformed(path: string, fault: string, field: string): BureauError {
  return new BureauError('file_malformed', `Cannot use ${path}: ${fault}. Correct it, or restore it from a copy`, {
    data: { path, field },
  });
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
