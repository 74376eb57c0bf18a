// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import type { AnyOperation, Example, FieldSurface } from '@bureau/operations';
import type { Command } from 'commander';
import { Argument, Option } from 'commander';
import * as v from 'valibot';
import { defaultText, fieldKind, isRequired } from './field-kind.ts';

export type RunOperation = (operation: AnyOperation, input: unknown, json: boolean) => Promise<void>;

/**
 * Puts one operation into the tree of commands: its words, arguments, options, help and examples all come from its definition.
 * `rest` is what followed `--` on the command line.
 */
export function addOperation(program: Command, operation: AnyOperation, rest: readonly string[], run: RunOperation): void {
  const words = operation.name.split(' ');
  const parent = words.slice(0, -1).reduce((group, word) => groupOf(group, word, operation.examples[0]), program);
  const command = parent
    .command(words.at(-1) ?? operation.name)
    .showHelpAfterError(helpHint(operation.name))
    .summary(operation.summary)
    .description(operation.description === undefined ? operation.summary : `${operation.summary}.\n\n${operation.description}`)
    .option('--json', 'print the result as one JSON object on stdout; errors stay text on stderr, and stdout empty');
  for (const name of operation.positionals) {
    const word = fieldKind(operation.input.entries[name]) === 'list' ? `${name}...` : name;
    command.addArgument(new Argument(isRequired(operation.input.entries[name]) ? `<${word}>` : `[${word}]`, operation.fields[name]?.help));
  }
  if (operation.rest !== undefined) command.usage(`${operation.positionals.map((name) => `<${name}>`).join(' ')} [options] -- CMD…`);
  for (const [name, surface] of Object.entries(operation.fields)) {
    if (operation.positionals.includes(name) || name === operation.rest) continue;
    for (const option of optionsOf(name, surface, operation)) command.addOption(option);
  }
  command.addHelpText(
    'after',
    `\nExample${operation.examples.length > 1 ? 's' : ''}:\n${operation.examples.map((example) => `  ${example.command}\n      ${example.shows}`).join('\n')}`,
  );
  command.action(async (...given: unknown[]) => {
    const options = command.opts<Record<string, unknown>>();
    await run(operation, readInput(operation, given, rest, options), options['json'] === true);
  });
}

/** The command of a group such as `agent`, made when it is new, with the example of its first operation. */
function groupOf(parent: Command, word: string, example: Example): Command {
  const known = parent.commands.find((command) => command.name() === word);
  if (known !== undefined) return known;
  return parent
    .command(word)
    .description(`${word} commands`)
    .showSuggestionAfterError(true)
    .showHelpAfterError(helpHint(parent.parent === null ? word : `${parent.name()} ${word}`))
    .addHelpText('after', `\nExample:\n  ${example.command}\n      ${example.shows}`);
}

/** What to do about a wrong command line. */
export function helpHint(command: string): string {
  return `see "bureau ${command}${command === '' ? '' : ' '}--help"`;
}

function optionsOf(name: string, surface: FieldSurface, operation: AnyOperation): Option[] {
  const kind = fieldKind(operation.input.entries[name]);
  const flag = name.replaceAll('_', '-');
  const short = surface.short === undefined ? '' : `-${surface.short}, `;
  if (kind === 'boolean') {
    const on = new Option(`${short}--${flag}`, surface.help);
    return surface.negatable === true ? [on, new Option(`--no-${flag}`, `the opposite of --${flag}`)] : [on];
  }
  const fallback = defaultText(operation.input.entries[name]);
  const help = fallback === undefined ? surface.help : `${surface.help} (default: ${fallback})`;
  const option = new Option(`${short}--${flag} <${surface.placeholder ?? 'VALUE'}>`, help);
  if (kind === 'list')
    option.argParser((value: string, earlier: unknown) => [...(Array.isArray(earlier) ? (earlier as string[]) : []), value]);
  return [option];
}

/** The operation's input from arguments and options, judged by its schema. Throws a UsageError that names the field. */
function readInput(
  operation: AnyOperation,
  given: readonly unknown[],
  rest: readonly string[],
  options: Readonly<Record<string, unknown>>,
): unknown {
  const input: Record<string, unknown> = {};
  for (const [at, name] of operation.positionals.entries()) if (given[at] !== undefined) input[name] = given[at];
  if (operation.rest !== undefined) input[operation.rest] = rest;
  else if (rest.length > 0)
    throw new UsageError('invalid_input', `"bureau ${operation.name}" takes nothing after "--"; ${helpHint(operation.name)}`);
  for (const name of Object.keys(operation.fields)) {
    const value = options[camelCase(name)];
    if (!(name in input) && value !== undefined)
      input[name] = fieldKind(operation.input.entries[name]) === 'number' ? Number(value) : value;
  }
  const parsed = v.safeParse(operation.input, input);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw new UsageError(
    'invalid_input',
    `${path === null ? '' : `${path.replaceAll('_', '-')}: `}${issue.message}; ${helpHint(operation.name)}`,
  );
}

/** How commander names the value of `--read-only`. */
function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
