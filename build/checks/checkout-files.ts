// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of file names that git may print: about 100,000 files. */
const LIST_MAX_BYTES = 16 * 1024 * 1024;

/** Returns the files of a checkout, sorted: what git tracks and what it would track; links and deleted files left out. */
export function checkoutFiles(root: string): string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: LIST_MAX_BYTES,
  });
  const files = output.split('\0').filter((file) => file !== '' && existsSync(join(root, file)) && lstatSync(join(root, file)).isFile());
  return [...new Set(files)].toSorted();
}

/** True for tests and for what only tests import (`src/testing/`, `foo.testing.ts`, `test-foo.ts`, `testing-foo.ts`, `compliance-foo.ts`, `bench/`). */
export function isTestFile(file: string): boolean {
  return (
    /\.(test|testing)\.ts$/.test(file) ||
    /(^|\/)testing\/|(^|\/)bench\/|(^|\/)(test|testing|compliance)([.-][\w.-]+)?\.ts$/.test(file) ||
    file.startsWith('integration/')
  );
}
