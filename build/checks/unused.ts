// SPDX-License-Identifier: Apache-2.0
import type { Check, Finding } from './finding.ts';
import { runTool, toolFailed } from './run-tool.ts';

/** What knip calls each kind in its JSON, what we call it, and what to do about it. */
const KINDS: Readonly<Record<string, { readonly says: string; readonly remedy: string }>> = {
  files: { says: 'nothing imports this file', remedy: 'delete it; or, when something starts it, say so in knip.jsonc with who does' },
  exports: { says: 'nothing imports', remedy: 'remove the word export, or the code when nothing in the file needs it either' },
  types: { says: 'nothing imports the type', remedy: 'remove the word export, or the type when nothing in the file needs it either' },
  enumMembers: { says: 'nothing uses', remedy: 'remove it' },
  namespaceMembers: { says: 'nothing uses', remedy: 'remove it' },
  duplicates: { says: 'the same thing has two names:', remedy: 'keep one of them' },
  dependencies: { says: 'no source imports', remedy: 'remove it from dependencies, then script/npm install' },
  devDependencies: { says: 'no test or bench imports', remedy: 'remove it from devDependencies, then script/npm install' },
  unlisted: { says: 'is imported but not declared:', remedy: 'declare it in the package.json next to it' },
  unresolved: { says: 'imports what is not there:', remedy: 'correct the path, or restore the file' },
};

/** Files, exports and dependencies that nobody needs (knip; entry points and exceptions, each with a reason, in knip.jsonc). */
export const unusedCheck: Check = {
  name: 'unused',
  run: async ({ root }) => {
    const args = ['--no-progress', '--config', 'knip.jsonc'];
    const result = await runTool(root, 'knip', [...args, '--reporter', 'json']);
    if (result.code === 0) return [];
    const found = unusedFindings(result.stdout);
    if (found.length > 0) return found;
    // Hints about knip.jsonc itself are not in the JSON.
    const text = await runTool(root, 'knip', args);
    const hints = hintFindings(text.output);
    return hints.length > 0 ? hints : [toolFailed('knip', text.output)];
  },
};

interface Issue {
  readonly name: string;
  readonly line?: number;
}

/** Findings in what `knip --reporter json` printed; none when that is no JSON. */
export function unusedFindings(stdout: string): Finding[] {
  if (!stdout.trimStart().startsWith('{')) return [];
  const { issues } = JSON.parse(stdout) as { issues: readonly (Readonly<Record<string, unknown>> & { readonly file: string })[] };
  return issues.flatMap((issue) =>
    Object.entries(KINDS).flatMap(([kind, { says, remedy }]) => {
      const entries = (issue[kind] ?? []) as readonly (Issue | readonly Issue[])[];
      return entries.map((entry): Finding => {
        const all = Array.isArray(entry) ? (entry as readonly Issue[]) : [entry as Issue];
        const problem = kind === 'files' ? says : `${says} ${all.map(({ name }) => name).join(' and ')}`;
        const line = all[0]?.line;
        return { file: issue.file, ...(line === undefined ? {} : { line }), problem, remedy };
      });
    }),
  );
}

/** Findings in the hints that knip prints about its own configuration. */
export function hintFindings(text: string): Finding[] {
  const lines = text.split('\n');
  const begin = lines.findIndex((line) => line.startsWith('Configuration hints'));
  if (begin < 0) return [];
  return lines
    .slice(begin + 1)
    .filter((line) => line.trim() !== '')
    .map((line) => ({
      file: 'knip.jsonc',
      problem: line.trim().replaceAll(/\s{2,}/g, ' · '),
      remedy: 'an entry that matches nothing, or an exception that is not needed, hides the next mistake: remove it',
    }));
}
