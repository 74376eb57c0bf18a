// SPDX-License-Identifier: Apache-2.0
import { MERGES, TEMPLATE_FIELDS, TIGHTER, type BuiltInTemplate, type FieldRule } from '../../packages/templates/src/index.ts';

const TABLES = {
  fields: { begin: '<!-- fields: written by script/check --write templates -->', end: '<!-- /fields -->' },
  builtIn: { begin: '<!-- built-in: written by script/check --write templates -->', end: '<!-- /built-in -->' },
} as const;

/** The page with its two tables as the code has them. Throws when a place for one is missing. */
export function templatesReference(builtIn: Readonly<Record<string, BuiltInTemplate>>, page: string): string {
  return replaced(replaced(page, TABLES.fields, fieldTable()), TABLES.builtIn, builtInTable(builtIn));
}

function fieldTable(): string[] {
  return [
    '| field | an ancestor said it too | what a lock lets through | when nobody says it |',
    '| --- | --- | --- | --- |',
    ...Object.entries(TEMPLATE_FIELDS).map(([name, rule]: [string, FieldRule]) => {
      const entries = Object.entries(rule.entries ?? {});
      const tighter =
        entries.length === 0
          ? TIGHTER[rule.tighter].text
          : `${entries.map(([key]) => `\`${key}\``).join(', ')}: ${TIGHTER[entries[0]?.[1] ?? 'same'].text}`;
      const alongside = rule.alongside === undefined ? '' : `; locks \`${rule.alongside}\` with it`;
      return `| \`${name}\` | ${MERGES[rule.merge].text} | ${tighter}${alongside} | ${rule.absent === undefined ? '–' : `\`${JSON.stringify(rule.absent)}\``} |`;
    }),
  ];
}

function builtInTable(builtIn: Readonly<Record<string, BuiltInTemplate>>): string[] {
  return [
    '| name | what it is | builds on | command |',
    '| --- | --- | --- | --- |',
    ...Object.entries(builtIn).map(([name, { content }]) => {
      const inherits = Array.isArray(content['inherits']) ? content['inherits'].join(', ') : '–';
      const command = Array.isArray(content['command']) ? `\`${String(content['command'][0])}\`` : "the assignment's";
      return `| [\`${name}\`](../../deploy/templates/${name}.jsonc) | ${String(content['description'])} | ${inherits} | ${command} |`;
    }),
  ];
}

function replaced(page: string, { begin, end }: { readonly begin: string; readonly end: string }, lines: readonly string[]): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/reference/templates.md has no place between "${begin}" and "${end}"`);
  return `${page.slice(0, from + begin.length)}\n${lines.join('\n')}\n${page.slice(to)}`;
}
