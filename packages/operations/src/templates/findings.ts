// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { printable } from '../matrix/printable.ts';

/** One thing that is wrong, or may be, in a template that has not been published. */
export const templateFinding = v.strictObject({
  /** `error`: no machine would start it · `warning`: this machine would not, or something else to look at. */
  level: v.picklist(['error', 'warning']),
  /** `resources.memory`, `inherits[0]`; empty for the whole. */
  path: v.string(),
  message: v.string(),
  expected: v.optional(v.string()),
  found: v.optional(v.string()),
  /** The name that was probably meant. */
  nearest: v.optional(v.string()),
  /** The ancestor whose lock is not kept. */
  locked_by: v.optional(v.string()),
  /** In the source; both count from 1. Absent where the source is no text. */
  line: v.optional(v.number()),
  column: v.optional(v.number()),
});
export type TemplateFinding = v.InferOutput<typeof templateFinding>;

/** One line: `tool.jsonc:3:5: error: resources.memroy: there is no such field; did you mean "memory"?` */
function describeFinding(source: string, { level, path, message, nearest, line, column }: TemplateFinding): string {
  const place = line === undefined ? source : `${source}:${line}:${column ?? 1}`;
  const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return printable(`${place}: ${level}: ${path === '' ? '' : `${path}: `}${message}${meant}`);
}

/** All of them, and how many. */
export function describeFindings(source: string, findings: readonly TemplateFinding[]): string {
  return findings.map((finding) => describeFinding(source, finding)).join('\n');
}

/** Whether one of them keeps the template from being published. */
export function hasErrors(findings: readonly TemplateFinding[]): boolean {
  return findings.some(({ level }) => level === 'error');
}
