// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readJsonc } from '../../packages/operations/src/jsonc.ts';
import { readTemplate } from '../../packages/operations/src/templates/read-template.ts';
import { BUILT_IN_TEMPLATES, resolveTemplates, type BuiltInTemplate } from '../../packages/templates/src/index.ts';
import type { Check, Finding } from './finding.ts';
import { runTool } from './run-tool.ts';
import { templatesReference } from './templates-reference-text.ts';

const SOURCES = 'deploy/templates';
const MODULE = 'packages/templates/src/built-in-contents.ts';
const DOCUMENT = 'docs/reference/templates.md';
const REMEDY = 'run script/check --write templates, and commit what it wrote';

type Contents = Readonly<Record<string, BuiltInTemplate['content']>>;

/** Built-in templates are right, the module that set-up publishes from has them, and the reference page says the rules that the code has. */
export const builtInTemplatesCheck: Check = {
  name: 'templates',
  async run({ root, write }) {
    const { contents, findings } = readSources(root);
    if (findings.length > 0) return findings;
    const known = Object.fromEntries(BUILT_IN_TEMPLATES);
    const wanted = withEarlier(contents, known);
    const page = join(root, DOCUMENT);
    const before = existsSync(page) ? readFileSync(page, 'utf8') : '';
    const text = templatesReference(wanted, before);
    if (write) {
      if (!isDeepStrictEqual(wanted, known)) {
        writeFileSync(join(root, MODULE), moduleText(wanted));
        await runTool(root, 'oxfmt', ['--write', MODULE]);
      }
      if (text !== before) writeFileSync(page, text);
      return [];
    }
    return [
      ...(isDeepStrictEqual(wanted, known) ? [] : [{ file: MODULE, problem: `is not what ${SOURCES} says`, remedy: REMEDY }]),
      ...(text === before ? [] : [{ file: DOCUMENT, problem: 'is not what packages/templates says', remedy: REMEDY }]),
    ];
  },
};

function readSources(root: string): { readonly contents: Contents; readonly findings: Finding[] } {
  const findings: Finding[] = [];
  const contents: Record<string, BuiltInTemplate['content']> = {};
  for (const file of readdirSync(join(root, SOURCES)).toSorted()) {
    const path = `${SOURCES}/${file}`;
    const wrong = (line: number | undefined, problem: string): void => {
      findings.push({ file: path, ...(line === undefined ? {} : { line }), problem, remedy: 'correct it' });
    };
    const read = readJsonc(readFileSync(join(root, path), 'utf8'));
    if (!read.ok) for (const { line, message } of read.faults) wrong(line, message);
    else {
      const { template, findings: faults } = readTemplate(read.document);
      for (const fault of faults) wrong(fault.line, `${fault.path}: ${fault.message}`);
      if (template !== undefined) contents[basename(file, '.jsonc')] = template.content;
    }
  }
  const library = resolveTemplates(Object.entries(contents));
  for (const [name, resolution] of library) {
    if (!resolution.ok) findings.push({ file: `${SOURCES}/${name}.jsonc`, problem: resolution.faults[0].message, remedy: 'correct it' });
  }
  const depth = (name: string): number => {
    const resolution = library.get(name);
    return resolution?.ok ? resolution.template.depth : 0;
  };
  const sorted = Object.entries(contents).toSorted(([one], [other]) => depth(one) - depth(other));
  return { contents: Object.fromEntries(sorted), findings };
}

/** What was published until now is what an installation may have that nobody has touched. */
function withEarlier(contents: Contents, known: Readonly<Record<string, BuiltInTemplate>>): Record<string, BuiltInTemplate> {
  return Object.fromEntries(
    Object.entries(contents).map(([name, content]) => {
      const { content: before, earlier = [] } = known[name] ?? {};
      const changed = before !== undefined && !isDeepStrictEqual(before, content);
      const all = changed ? [...earlier, before] : earlier;
      return [name, { content, earlier: all.filter((each) => !isDeepStrictEqual(each, content)) }];
    }),
  );
}

function moduleText(contents: Readonly<Record<string, BuiltInTemplate>>): string {
  return `// SPDX-License-Identifier: Apache-2.0
// Written by script/check --write templates, from ${SOURCES}. Not to be edited.

/** What set-up publishes, and what earlier versions did. */
export const BUILT_IN_CONTENTS = ${JSON.stringify(contents, null, 2)};
`;
}
