// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check, Finding } from './finding.ts';
import { HOST_ATTACKS } from '../../integration/escape/catalogue.ts';
import { CONTROL_STARTS, controlStart, strayStarts } from '../../integration/escape/control-starts.ts';
import { PORTABLE_ATTACKS } from '../../packages/escape/src/index.ts';

const DOCUMENT = 'docs/security/escape-suite.md';
const FOLDER = 'integration/escape';

/** Tests of the list that are shown elsewhere, since they are not about a wall but about what happens when parts die. */
const SHOWN_ELSEWHERE = [
  [
    '18',
    'kill -9 of launcher, daemon, proxy, relay; crashes at each step of create and destroy',
    '`integration/faults`, `packages/sandbox`',
  ],
] as const;

const HEAD = `# The escape suite

Written by \`script/check --write escape-table\` from \`packages/escape\`, \`${FOLDER}/catalogue.ts\` and \`${FOLDER}/control-starts.ts\`; do not edit.

\`script/test escape\` makes each attack in a sandbox that the real launcher started, where it must be refused, and in one with
**a guard taken away**, where it must **succeed**. Who starts that one stands in the table; [below](#who-starts-a-control) it says
how and why. Attacks from inside must also be refused where nothing is taken away but everything else is as in their control: in
another sandbox of the weakened launcher, and in one that the test starts. An attack that could not be made at all counts as a failure.
\`bureau sandbox test\` makes those from inside on your own machine, without the controls.

Numbers are those of the list of hostile tests that the suite follows; *more* goes beyond it.
`;

/** The page of the escape suite says what the suite does; `--write` writes it. Each attack that it names has both of its tests. */
export const escapeTableCheck: Check = {
  name: 'escape-table',
  run: ({ root, write }) => {
    const path = join(root, DOCUMENT);
    const wanted = escapePage();
    const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (write && before !== wanted) writeFileSync(path, wanted);
    const stale: Finding[] =
      write || before === wanted
        ? []
        : [
            {
              file: DOCUMENT,
              problem: 'is not what the escape suite does',
              remedy: 'run script/check --write escape-table, and commit what it wrote',
            },
          ];
    return [...stale, ...strayFindings(), ...untestedFindings((file) => readFileSync(join(root, FOLDER, file), 'utf8'))];
  },
};

/** Attacks of the catalogue whose file does not name them. */
function untestedFindings(read: (file: string) => string): Finding[] {
  return HOST_ATTACKS.filter(({ name, file }) => !read(file).includes(`'${name}'`)).map(({ name, file }) => ({
    file: `${FOLDER}/${file}`,
    problem: `has no test of the attack "${name}" of the catalogue`,
    remedy: 'write its attack and its control, named by titlesOf',
  }));
}

/** Who starts the control of an attack that is no more. */
function strayFindings(): Finding[] {
  return strayStarts(new Set([...PORTABLE_ATTACKS, ...HOST_ATTACKS].map(({ name }) => name))).map((name) => ({
    file: `${FOLDER}/control-starts.ts`,
    problem: `says who starts the control of "${name}", and there is no such attack`,
    remedy: 'take the line away, or correct the name',
  }));
}

function escapePage(): string {
  const rows = [
    ...PORTABLE_ATTACKS.map(({ test, name, title, guard, control }) => ({ test: `${test}`, name, title, guard, control, where: 'inside' })),
    ...HOST_ATTACKS.map(({ test, name, title, guard, control, file }) => ({
      test: `${test}`,
      name,
      title,
      guard,
      control,
      where: file.replace('.test.ts', ''),
    })),
  ].toSorted((one, other) => order(one.test) - order(other.test));
  const table = rows.map(
    ({ test, name, title, guard, control, where }) =>
      `| ${test} | \`${name}\` | ${title} | ${guard} | ${control} | ${controlStart(name)} | ${where} |`,
  );
  const starts = Object.entries(CONTROL_STARTS).map(
    ([start, why]) => `| ${start} | ${rows.filter(({ name }) => controlStart(name) === start).length} | ${why} |`,
  );
  const elsewhere = SHOWN_ELSEWHERE.map(([test, title, where]) => `| ${test} | ${title} | ${where} |`);
  return [
    HEAD,
    `${rows.length} attacks:\n`,
    '| test | name | attack | guard | in the control, it succeeds with | control started by | from |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...table.map((line) => line.replaceAll('*', '\\*').replaceAll('__', '\\_\\_')),
    '\n## Who starts a control\n',
    '| started by | controls | how, and why |',
    '| --- | --- | --- |',
    ...starts,
    '\nShown elsewhere:\n',
    '| test | what | where |',
    '| --- | --- | --- |',
    ...elsewhere,
    '',
  ].join('\n');
}

function order(test: string): number {
  return test === 'more' ? Number.POSITIVE_INFINITY : Number(test);
}
