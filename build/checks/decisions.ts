// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';

/** Each decision of docs/adr has a number of its own, and its heading says the same. Two branches that meet take the same one easily. */
export const decisionsCheck: Check = {
  name: 'decisions',
  run: ({ root }) => {
    const files = checkoutFiles(root).filter((file) => /^docs\/adr\/[^/]+\.md$/.test(file));
    return decisionFindings(files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') })));
  },
};

/** Findings in these decisions. */
export function decisionFindings(decisions: readonly { readonly file: string; readonly text: string }[]): Finding[] {
  const byNumber = Map.groupBy(decisions, ({ file }) => /\/(\d{4})-[^/]+\.md$/.exec(file)?.[1] ?? '');
  return [...byNumber].flatMap(([number, same]) => same.flatMap(({ file, text }, index) => findingsOf(file, text, number, index > 0)));
}

function findingsOf(file: string, text: string, number: string, taken: boolean): Finding[] {
  const finding = (problem: string, remedy: string): Finding[] => [{ file, line: 1, problem, remedy }];
  if (number === '') return finding('has no number', 'name it NNNN-what-was-decided.md');
  if (taken) return finding(`another decision has number ${number}`, 'take the next free number, and correct what refers to it');
  if (text.startsWith(`# ${number}. `)) return [];
  return finding(`does not begin with "# ${number}. "`, 'let the heading say the number of the file');
}
