// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';
import { readManifests } from './manifests.ts';
import type { Manifest } from './manifests.ts';

const DOCUMENT = 'docs/dependencies.md';
const EXACT = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** A dependency is a decision: exact, and with a line that says why. */
export const dependenciesCheck: Check = {
  name: 'dependencies',
  run: ({ root }) => dependencyFindings(readManifests(root, checkoutFiles(root)), readFileSync(join(root, DOCUMENT), 'utf8')),
};

/** Findings in the manifests against the text of docs/dependencies.md (table lines: `| name | version | …`). */
export function dependencyFindings(manifests: readonly Manifest[], text: string): Finding[] {
  const found: Finding[] = [];
  const lines = text.split('\n');
  const documented = new Map<string, { version: string; line: number }>();
  for (const [index, content] of lines.entries()) {
    const match = /^\| `([^`]+)` \| ([^|]*?) \|/.exec(content);
    if (match?.[1] !== undefined && match[2] !== undefined) documented.set(match[1], { version: match[2], line: index + 1 });
  }
  const used = new Set<string>();
  for (const manifest of manifests) {
    const file = join(manifest.folder, 'package.json');
    for (const [name, version] of Object.entries({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
    })) {
      if (!EXACT.test(version))
        found.push({
          file,
          problem: `${name} is '${version}', expected an exact version`,
          remedy: 'write the version without ^, ~ or a range',
        });
      if (name.startsWith('@bureau/')) continue;
      const isFirst = !used.has(name);
      used.add(name);
      const line = documented.get(name);
      if (line === undefined && !isFirst) continue;
      if (line === undefined)
        found.push({
          file,
          problem: `${name} has no line in ${DOCUMENT}`,
          remedy: 'say there why this one, how large, what the alternatives are',
        });
      else if (line.version !== version)
        found.push({
          file: DOCUMENT,
          line: line.line,
          problem: `${name} is ${line.version} here and ${version} in ${file}`,
          remedy: 'make them the same version',
        });
    }
  }
  for (const [name, { line }] of documented) {
    if (!used.has(name))
      found.push({ file: DOCUMENT, line, problem: `${name} is described, but no package.json asks for it`, remedy: 'remove the line' });
  }
  return found;
}
