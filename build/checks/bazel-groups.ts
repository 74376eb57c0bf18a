// SPDX-License-Identifier: Apache-2.0
import { dirname, join } from 'node:path';
import type { Finding } from './finding.ts';
import { parseModule } from './imports.ts';

/** Written by hand, with groups of sources that run in a copy of their own: `test_runner`, `bundler`. */
export const HAND_WRITTEN = 'build/BUILD.bazel';

/** Findings for sources that a file of such a group imports and that are not in the group: Bazel would not find them. */
export function groupFindings(text: string, read: (file: string) => string | undefined): Finding[] {
  const groups = [...text.matchAll(/filegroup\(\s*name = "(\w+)",\s*srcs = \[([^\]]*)\],?\s*\)/g)];
  return groups.flatMap(([, name = '', listed = '']) => {
    const files = [...listed.matchAll(/"([^"]+)"/g)].map(([, label = '']) =>
      label.startsWith('//') ? label.slice(2).replace(':', '/') : join('build', label),
    );
    return files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const imported = parseModule(read(file) ?? '').imports.filter(({ specifier }) => specifier.startsWith('.'));
        const missing = imported.map(({ specifier }) => join(dirname(file), specifier)).filter((target) => !files.includes(target));
        return missing.map((target) => ({
          file: HAND_WRITTEN,
          problem: `"${name}" has ${file} and not ${target}, which that imports: nothing of the group runs under Bazel`,
          remedy: `add it to the srcs of "${name}"`,
        }));
      });
  });
}
