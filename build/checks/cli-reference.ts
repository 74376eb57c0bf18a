// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cliReference } from './cli-reference-text.ts';
import type { Check, Finding } from './finding.ts';
import { OPERATIONS } from '../../packages/operations/src/index.ts';

const DOCUMENT = 'docs/reference/cli.md';

/** The reference page of the command line says what the operations say; `--write` writes it. */
export const cliReferenceCheck: Check = {
  name: 'cli-reference',
  run: ({ root, write }) => {
    const path = join(root, DOCUMENT);
    const wanted = cliReference(OPERATIONS);
    const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (write && before !== wanted) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, wanted);
    }
    return write ? [] : staleReferenceFindings(before, wanted);
  },
};

/** A finding at the first line that differs; none when the texts are the same. */
export function staleReferenceFindings(before: string, wanted: string): Finding[] {
  if (before === wanted) return [];
  const [old, fresh] = [before.split('\n'), wanted.split('\n')];
  const at = fresh.findIndex((line, index) => line !== old[index]);
  return [
    {
      file: DOCUMENT,
      line: at < 0 ? fresh.length + 1 : at + 1,
      problem: 'is not what the operations of packages/operations say',
      remedy: 'run script/check --write cli-reference, and commit what it wrote',
    },
  ];
}
