// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { alignedColumns } from './columns.ts';

const texts = v.array(v.string());

/** `bureau sandbox explain --json`. */
export const explanation = v.strictObject({
  /** `live`: what was used; `spec`: what this machine's launcher would use. */
  of: v.picklist(['live', 'spec']),
  principal: v.string(),
  uid: v.number(),
  hostname: v.string(),
  command: texts,
  directory: v.string(),
  terminal: v.boolean(),
  mounts: v.array(v.strictObject({ path: v.string(), kind: v.string(), writable: v.boolean(), what: v.string(), from: v.string() })),
  environment: v.array(v.strictObject({ name: v.string(), value: v.string(), from: v.string() })),
  limits: v.array(v.strictObject({ name: v.string(), value: v.number(), from: v.string() })),
  seccomp: v.string(),
  guards: v.array(v.strictObject({ guard: v.string(), from: v.string(), how: v.string() })),
  /** The command line of bubblewrap as it is executed. */
  commandLine: texts,
  /** What goes through its `--args`, in order. */
  options: texts,
  digest: v.string(),
});
export type Explanation = v.InferOutput<typeof explanation>;

/** For a person: one section each, every text of a spec on one line and without control characters. */
export function renderExplanation(found: Explanation): string {
  const head = [
    `${found.principal} as uid ${found.uid}, host name ${found.hostname}: ${found.of === 'live' ? 'what it runs in' : 'what it would run in here'}`,
    `command   ${found.command.map(quoted).join(' ')}`,
    `starts in ${found.directory}${found.terminal ? ', in a terminal of its own' : ', with three pipes'}`,
  ];
  return [
    ...head.map(plain),
    ...section(
      'It sees',
      found.mounts.map(({ path, kind, writable, what, from }) => [path, writable ? 'rw' : 'ro', kind, what, from]),
    ),
    ...section(
      'Its environment',
      found.environment.map(({ name, value, from }) => [name, value, from]),
    ),
    ...section(
      'Its limits',
      found.limits.map(({ name, value, from }) => [name, String(value), from]),
    ),
    ...section(
      'What holds it',
      found.guards.map(({ guard, from, how }) => [guard, from, how]),
    ),
    '',
    'bubblewrap is started as',
    `  ${plain(found.commandLine.map(quoted).join(' '))}`,
    'and reads from --args',
    ...optionLines(found.options).map((line) => `  ${plain(line)}`),
    '',
    `spec sha256 ${found.digest}`,
  ].join('\n');
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return ['', title, ...alignedColumns(rows.map((row) => row.map(plain))).map((line) => `  ${line}`)];
}

/** One option on a line; a word that begins with "--" and stands where a value belongs is quoted by what comes before it. */
function optionLines(options: readonly string[]): string[] {
  const lines: string[][] = [];
  let values = 0;
  for (const word of options) {
    const last = lines.at(-1);
    if (values === 0 || last === undefined) {
      lines.push([word]);
      values = VALUES[word] ?? (/^--(unshare-|disable-userns|die-with-parent|clearenv)/.test(word) ? 0 : 1);
    } else {
      last.push(quoted(word));
      values -= 1;
    }
  }
  return lines.map((words) => words.join(' '));
}

const VALUES: Readonly<Record<string, number>> = {
  '--bind': 2,
  '--ro-bind': 2,
  '--ro-bind-try': 2,
  '--dev-bind': 2,
  '--bind-fd': 2,
  '--ro-bind-fd': 2,
  '--symlink': 2,
  '--setenv': 2,
};

/** As a POSIX shell would read it back. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Text of a spec must not steer the terminal of who reads this. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
