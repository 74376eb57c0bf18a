// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

/** One line of a doctor's report. */
export const check = v.strictObject({
  name: v.string(),
  status: v.picklist(['pass', 'fail', 'warn', 'skip']),
  message: v.string(),
  /** What would put it right. */
  fix: v.optional(v.string()),
  repaired: v.optional(v.boolean()),
});
export type Check = v.InferOutput<typeof check>;

/** What every doctor answers. */
export const checkReport = v.strictObject({ checks: v.array(check), ok: v.boolean() });

const LABELS: Readonly<Record<Check['status'], string>> = { pass: 'PASS', fail: 'FAIL', warn: 'WARN', skip: 'SKIP' };

/** `[PASS] name  message`, a hint below what is not right, and a count. */
export function renderChecks({ checks }: v.InferOutput<typeof checkReport>): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, message, fix, repaired }) => [
    `[${repaired === true ? 'DONE' : LABELS[status]}] ${name.padEnd(width)}  ${message}`,
    ...(fix === undefined || status === 'pass' ? [] : [`       ${' '.repeat(width)}  → ${fix}`]),
  ]);
  const failed = checks.filter(({ status }) => status === 'fail').length;
  return [...lines, failed === 0 ? 'all is well' : `${failed} of ${checks.length} checks failed`].join('\n');
}
