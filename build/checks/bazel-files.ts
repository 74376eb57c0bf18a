// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bazelFiles } from '../gen-bazel.ts';
import { groupFindings, HAND_WRITTEN } from './bazel-groups.ts';
import { checkoutFiles } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';

/** BUILD.bazel of every package, and .bazelignore, say what the package.json files say; `--write` writes them. */
export const bazelFilesCheck: Check = {
  name: 'bazel-files',
  run: ({ root, write }) => {
    const wanted = bazelFiles(root);
    if (write) for (const [path, text] of wanted) if (textAt(root, path) !== text) writeFileSync(join(root, path), text);
    const read = (path: string): string | undefined => textAt(root, path);
    return [
      ...staleFindings(wanted, read),
      ...strayFindings(wanted, checkoutFiles(root)),
      ...groupFindings(read(HAND_WRITTEN) ?? '', read),
    ];
  },
};

/** Findings for files that are missing or say something else, at the first line that differs. */
export function staleFindings(wanted: ReadonlyMap<string, string>, read: (path: string) => string | undefined): Finding[] {
  return [...wanted].flatMap(([file, text]) => {
    const before = read(file);
    if (before === text) return [];
    const remedy = 'run script/check --write bazel-files, and commit what it wrote';
    if (before === undefined) return [{ file, problem: 'is missing: Bazel would not see this package', remedy }];
    const [old, fresh] = [before.split('\n'), text.split('\n')];
    const line = 1 + fresh.findIndex((content, index) => content !== old[index]);
    return [{ file, line: Math.max(line, 1), problem: 'is not what the package.json files say', remedy }];
  });
}

/** Findings for a BUILD.bazel in a folder that is no package any more. */
export function strayFindings(wanted: ReadonlyMap<string, string>, files: readonly string[]): Finding[] {
  return files
    .filter((file) => /^(apps|packages|integration)\/(.*\/)?BUILD(\.bazel)?$/.test(file) && !wanted.has(file))
    .map((file) => ({ file, problem: 'belongs to no package.json', remedy: 'delete it' }));
}

function textAt(root: string, path: string): string | undefined {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined;
}
