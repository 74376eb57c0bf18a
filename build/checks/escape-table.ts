// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check, Finding } from './finding.ts';
import { HOST_ATTACKS } from '../../integration/escape/catalogue.ts';
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

Written by \`script/check --write escape-table\` from \`packages/escape\` and \`${FOLDER}/catalogue.ts\`; do not edit.

\`script/test escape\` makes each attack three times: in a sandbox that the real launcher started, where it must be refused;
in one planned by the launcher's own code and started by the test, where it must be refused as well, so that the third differs
in nothing else; and in that with **one guard taken away**, where it must **succeed**. An attack that could not be made at all
counts as a failure. \`bureau sandbox test\` makes those from inside on your own machine, without the controls.

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
    return [...stale, ...untestedFindings((file) => readFileSync(join(root, FOLDER, file), 'utf8'))];
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
    ({ test, name, title, guard, control, where }) => `| ${test} | \`${name}\` | ${title} | ${guard} | ${control} | ${where} |`,
  );
  const elsewhere = SHOWN_ELSEWHERE.map(([test, title, where]) => `| ${test} | ${title} | ${where} |`);
  return [
    HEAD,
    `${rows.length} attacks:\n`,
    '| test | name | attack | guard | in the control, it succeeds with | from |',
    '| --- | --- | --- | --- | --- | --- |',
    ...table.map((line) => line.replaceAll('*', '\\*').replaceAll('__', '\\_\\_')),
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
