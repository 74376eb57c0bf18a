// SPDX-License-Identifier: Apache-2.0
import { fieldKind, isRequired } from '../../apps/cli/src/field-kind.ts';
import { EXIT_CODES } from '../../packages/operations/src/index.ts';
import type { AnyOperation, FieldSurface } from '../../packages/operations/src/index.ts';

const HEAD = `<!-- Written by script/check --write cli-reference, from packages/operations. Not to be edited. -->

# Command line

Every command of \`bureau\`, from the definitions that its help is made of. Before a command, \`--instance NAME\` says which stand is
meant (else \`BUREAU_INSTANCE\`, else the default one). Every command has \`--help\`, and \`--json\`: the result as JSON on stdout,
errors as text on stderr.
`;

/** The whole page; the same text for the same operations. */
export function cliReference(operations: readonly AnyOperation[]): string {
  const groups = Map.groupBy(operations, ({ name }) => name.split(' ')[0] ?? name);
  const index = [...groups].map(
    ([group, members]) => `| ${group} | ${members.map(({ name }) => `[${name}](#bureau-${anchor(name)})`).join(' · ')} |`,
  );
  return [HEAD, '| | commands |', '| --- | --- |', ...index, '', EXIT_CODES_TEXT, ...operations.flatMap(section)].join('\n');
}

const EXIT_CODES_TEXT = `## Exit codes

| code | when |
| --- | --- |
| ${EXIT_CODES.ok} | done |
| ${EXIT_CODES.failed} | it failed; the message says why. A command with findings of its own (\`doctor\`) found some |
| ${EXIT_CODES.usage} | the command line was wrong; nothing was done |
| ${EXIT_CODES.interrupted} | interrupted |
| \`run\` | the command's own; 128+n when signal n ended it; ${EXIT_CODES.timeout} the time was up; ${EXIT_CODES.bureau} Bureau failed or was asked wrongly |
`;

function section(operation: AnyOperation): string[] {
  const { summary, description, examples, grant } = operation;
  const [positional, options] = fieldsOf(operation);
  return [
    `## bureau ${operation.name}`,
    '',
    `${summary}.${description === undefined ? '' : ` ${escapeText(description)}`}`,
    '',
    '```',
    synopsis(operation),
    '```',
    '',
    ...table(
      'argument',
      positional.map(([name, surface]) =>
        row(operation, name, surface, name === operation.rest ? `-- ${placeholderOf(surface)}…` : `<${name}>`),
      ),
    ),
    ...table(
      'option',
      options.map(([name, surface]) => row(operation, name, surface, flagOf(operation, name, surface))),
    ),
    `Grant: \`${grant}\`.`,
    '',
    `Example${examples.length > 1 ? 's' : ''}:`,
    '',
    '```',
    ...examples.flatMap(({ command, shows }, index) => [...(index === 0 ? [] : ['']), `# ${shows}`, command]),
    '```',
    '',
  ];
}

function synopsis(operation: AnyOperation): string {
  const places = operation.positionals.map((name) => (isRequired(operation.input.entries[name]) ? `<${name}>` : `[${name}]`));
  const [, options] = fieldsOf(operation);
  const rest = operation.rest === undefined ? [] : ['--', `${placeholderOf(operation.fields[operation.rest])}…`];
  return ['bureau', operation.name, ...places, ...(options.length > 0 ? ['[options]'] : []), ...rest].join(' ');
}

type Field = readonly [string, FieldSurface];

/** What is given by its place, in order, and what by its name. */
function fieldsOf(operation: AnyOperation): [Field[], Field[]] {
  const all = Object.entries(operation.fields);
  const places = [...operation.positionals, ...(operation.rest === undefined ? [] : [operation.rest])];
  const positional = places.flatMap((place) => all.filter(([name]) => name === place));
  return [positional, all.filter(([name]) => !places.includes(name))];
}

function flagOf(operation: AnyOperation, name: string, surface: FieldSurface): string {
  const flag = name.replaceAll('_', '-');
  const short = surface.short === undefined ? '' : `-${surface.short}, `;
  if (fieldKind(operation.input.entries[name]) !== 'boolean') return `${short}--${flag} ${placeholderOf(surface)}`;
  return `${short}--${flag}${surface.negatable === true ? `, --no-${flag}` : ''}`;
}

function row(operation: AnyOperation, name: string, surface: FieldSurface, given: string): string {
  const schema = operation.input.entries[name];
  const remark = isRequired(schema) ? 'required' : defaultOf(schema);
  return `| \`${given.replaceAll('|', '\\|')}\` | ${escapeCell(surface.help)} | ${remark} |`;
}

/** The default that the schema has; empty when it has none, or none worth saying. */
function defaultOf(schema: unknown): string {
  const value = (schema as { default?: unknown } | undefined)?.default;
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0) || typeof value === 'function') return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``.replaceAll('|', '\\|');
}

function table(kind: string, rows: readonly string[]): string[] {
  return rows.length === 0 ? [] : [`| ${kind} | what | default |`, '| --- | --- | --- |', ...rows, ''];
}

function placeholderOf(surface: FieldSurface | undefined): string {
  return surface?.placeholder ?? 'VALUE';
}

function anchor(name: string): string {
  return name.replaceAll(' ', '-');
}

function escapeCell(text: string): string {
  return escapeText(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Nothing of ours is HTML. */
function escapeText(text: string): string {
  return text.replaceAll('<', '&lt;');
}
