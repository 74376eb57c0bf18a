// SPDX-License-Identifier: Apache-2.0
import { nearestName } from '@bureau/core';
import { templateContent, templateVersion, type TemplateContent } from '@bureau/protocol';
import * as v from 'valibot';
import type { JsoncDocument, Place } from '../jsonc.ts';
import type { TemplateFinding } from './findings.ts';
import { namesAt } from './schema-names.ts';

type Keys = readonly (string | number)[];

/** Who writes a template must not misspell a field, though who reads one from a room leaves out what it does not know. */
const written = v.strictObject(templateContent.entries);

/** A template as it is written: its content as it goes into a room, and the same as the schema reads it. */
export interface WrittenTemplate {
  readonly content: Readonly<Record<string, unknown>>;
  readonly parsed: TemplateContent;
}

/**
 * Reads what somebody wrote by the schema that machines read with, stricter by one thing: a field that is not known is an error.
 * Every fault is told, not the first one only. `v` may be left out.
 */
export function readTemplate({ value, placeOf }: JsoncDocument): {
  readonly template?: WrittenTemplate;
  readonly findings: readonly TemplateFinding[];
} {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { findings: [{ level: 'error', path: '', message: 'expected an object', ...placeOf([]) }] };
  const given = value as Readonly<Record<string, unknown>>;
  const result = v.safeParse(written, { v: 2, ...given });
  if (!result.success) return { findings: result.issues.map((issue) => findingOf(issue, placeOf)) };
  const findings = numbersFindings(given, [], placeOf);
  const needed = templateVersion(result.output);
  if (given['v'] !== undefined && result.output.v < needed) {
    const message = 'expected 2, since version 1 has no "inherits", "locked", "payload" and null; or leave it out';
    findings.push({ level: 'error', path: 'v', message, expected: '2', found: '1', ...placeOf(['v']) });
  }
  if (findings.length > 0) return { findings };
  const version = result.output.v === 2 && given['v'] === 2 ? 2 : needed;
  const { v: _version, ...rest } = given;
  return { findings, template: { content: { v: version, ...rest }, parsed: { ...result.output, v: version } } };
}

/** A path in words: `mounts[0].destination`. */
function pathText(path: Keys): string {
  return path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`), '');
}

function findingOf(issue: v.BaseIssue<unknown>, placeOf: JsoncDocument['placeOf']): TemplateFinding {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  const name = path.at(-1);
  const base = { level: 'error' as const, path: pathText(path) };
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const nearest = nearestName(String(name), namesAt(written, path.slice(0, -1)));
    return { ...base, message: 'there is no such field', ...(nearest === undefined ? {} : { nearest }), ...placeOf(path, true) };
  }
  const place: Place = placeOf(path);
  if (issue.type === 'strict_object' && issue.received === 'undefined') return { ...base, message: 'it is missing', ...place };
  const wanted = [...(issue.expected ?? '').matchAll(/"([^"]+)"/g)].flatMap(([, each]) => each ?? []);
  const nearest = typeof issue.input === 'string' ? nearestName(issue.input, wanted) : undefined;
  return {
    ...base,
    message: issue.message,
    ...(issue.expected === null ? {} : { expected: issue.expected.replaceAll(/^\(|\)$/g, '') }),
    found: issue.received,
    ...(nearest === undefined ? {} : { nearest }),
    ...place,
  };
}

/** A homeserver takes no fractions and no number beyond 2^53. */
function numbersFindings(value: unknown, path: Keys, placeOf: JsoncDocument['placeOf']): TemplateFinding[] {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    const message = 'expected an integer between -(2^53-1) and 2^53-1, which is all that Matrix carries; write it as a string';
    return [{ level: 'error', path: pathText(path), message, found: String(value), ...placeOf(path) }];
  }
  if (typeof value !== 'object' || value === null) return [];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([key, inner]) => numbersFindings(inner, [...path, key], placeOf));
}
