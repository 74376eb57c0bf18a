// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checkout-files.ts';
import { GENERATED, SOURCE, lineCount, maxLines } from './sources.ts';

/** Enough to see what grows. */
const LISTED = 10;

/** The longest sources of a checkout, one line each, longest first: lines, the limit of its kind, file. */
export function longestFiles(root: string): string {
  return checkoutFiles(root)
    .filter((file) => SOURCE.test(file) && !GENERATED.test(file))
    .map((file) => ({ file, lines: lineCount(readFileSync(join(root, file), 'utf8').split('\n')) }))
    .toSorted((a, b) => b.lines - a.lines || (a.file < b.file ? -1 : 1))
    .slice(0, LISTED)
    .map(({ file, lines }) => `${String(lines).padStart(5)} of ${maxLines(file)}  ${file}`)
    .join('\n');
}
