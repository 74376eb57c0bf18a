// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A test file that belongs to `NAME` (its package, application, `build` or `integration`), relative to the root. */
export interface TestFile {
  readonly name: string;
  readonly kind: 'unit' | 'integration' | 'deep';
  readonly file: string;
}

/**
 * Suites that run by name only, all of them as `deep`: tests that walk hundreds of faults, each with a whole command, and take longer than
 * all others together; those that let a quarter of an hour pass; those that want compiler, emulator and Node for another processor.
 */
const BY_NAME: Readonly<Record<string, RegExp>> = {
  deep: /^integration\/faults\/deep-(writes-|upgrade)/,
  soak: /^integration\/soak\//,
  arm64: /\.arm64\.test\.ts$/,
};

/** Whether a file is a suite that runs by name only. */
export function isDeep(file: string): boolean {
  return Object.values(BY_NAME).some((files) => files.test(file));
}

/** Finds every `*.test.ts` of a checkout, sorted: beside the sources (unit), and below `integration/`. */
export function findTestFiles(root: string): TestFile[] {
  const unit = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((name) => testFiles(root, join(group, name), name, 'unit')),
  );
  return [...unit, ...testFiles(root, 'build', 'build', 'unit'), ...testFiles(root, 'integration', 'integration', 'integration')];
}

/**
 * Returns the files of the suites that were asked for (for none: all but the deep ones), or the first name that is no suite.
 * A suite is `unit`, `integration`, `deep`, a package, an application, a folder of `integration/` (`escape`), or a part of a file's
 * path with a slash or `.test.ts` in it; for one that runs by name only, with that name.
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
    (/\/|\.test\.ts$/.test(suite) && test.file.includes(suite) && (test.kind !== 'deep' || suite.includes(test.name)));
  const unknown = suites.find((suite) => !known.includes(suite) && !all.some((test) => belongs(test, suite)));
  if (unknown !== undefined) return { unknown, known };
  return {
    files:
      suites.length === 0 ? all.filter(({ kind }) => kind !== 'deep') : all.filter((test) => suites.some((suite) => belongs(test, suite))),
  };
}

/**
 * The folder below `integration/`, which is a suite of its own; `proxy-hostile` belongs to the suite `proxy` as well, with the package of
 * that name.
 */
function folderOf(test: TestFile): readonly string[] {
  const [, folder, file] = test.file.split('/');
  return test.kind === 'integration' && folder !== undefined && file !== undefined ? [folder, ...folder.split('-', 1)] : [];
}

function testFiles(root: string, folder: string, name: string, kind: TestFile['kind']): TestFile[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  const found = entries.flatMap((entry): TestFile[] => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFiles(root, path, name, kind);
    if (!entry.isFile() || !entry.name.endsWith('.test.ts')) return [];
    const file = relative(root, join(root, path));
    const own = Object.entries(BY_NAME).find(([, files]) => files.test(file));
    return [own === undefined ? { name, kind, file } : { name: own[0], kind: 'deep', file }];
  });
  return found.toSorted((a, b) => (a.file < b.file ? -1 : 1));
}
