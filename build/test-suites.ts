// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A test file that belongs to `NAME` (its package, application, `build` or `integration`), relative to the root. */
export interface TestFile {
  readonly name: string;
  readonly kind: 'unit' | 'integration';
  readonly file: string;
}

/** Finds every `*.test.ts` of a checkout, sorted: beside the sources (unit), and below `integration/`. */
export function findTestFiles(root: string): TestFile[] {
  const unit = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((name) => testFiles(root, join(group, name), name, 'unit')),
  );
  return [...unit, ...testFiles(root, 'build', 'build', 'unit'), ...testFiles(root, 'integration', 'integration', 'integration')];
}

/**
 * Returns the files of the suites that were asked for (all of them for none), or the first name that is no suite.
 * A suite is `unit`, `integration`, a package, an application, a folder of `integration/` (`escape`), or a part of a file's path with a slash or `.test.ts` in it.
 */
export function selectTestFiles(
  all: readonly TestFile[],
  suites: readonly string[],
): { files: TestFile[] } | { unknown: string; known: string[] } {
  const known = [...new Set(['unit', 'integration', ...all.flatMap((test) => [test.name, ...folderOf(test)])])];
  const belongs = (test: TestFile, suite: string): boolean =>
    test.kind === suite ||
    test.name === suite ||
    folderOf(test).includes(suite) ||
    (/\/|\.test\.ts$/.test(suite) && test.file.includes(suite));
  const unknown = suites.find((suite) => !known.includes(suite) && !all.some((test) => belongs(test, suite)));
  if (unknown !== undefined) return { unknown, known };
  return { files: suites.length === 0 ? [...all] : all.filter((test) => suites.some((suite) => belongs(test, suite))) };
}

/** The folder below `integration/`, which is a suite of its own, where no package has its name. */
function folderOf(test: TestFile): readonly string[] {
  const [, folder, file] = test.file.split('/');
  return test.kind === 'integration' && folder !== undefined && file !== undefined ? [folder] : [];
}

function testFiles(root: string, folder: string, name: string, kind: TestFile['kind']): TestFile[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  const found = entries.flatMap((entry): TestFile[] => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFiles(root, path, name, kind);
    return entry.isFile() && entry.name.endsWith('.test.ts') ? [{ name, kind, file: relative(root, join(root, path)) }] : [];
  });
  return found.toSorted((a, b) => (a.file < b.file ? -1 : 1));
}
