// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readPassedFaults, type PassedFault } from '../passed-faults.ts';
import { isDeep } from '../test-suites.ts';
import { checkoutFiles } from './checkout-files.ts';
import type { Check } from './finding.ts';

const DOCUMENT = 'docs/reference/faults.md';
const TESTS = /^integration\/faults\/[a-z-]+\.test\.ts$/;

/** The table of injected faults is what the tests of integration/faults are called. */
export const faultTableCheck: Check = {
  name: 'fault-table',
  run({ root, write }) {
    const files = checkoutFiles(root).filter((file) => TESTS.test(file));
    const wanted = faultTable(
      files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') })),
      readPassedFaults(root),
    );
    const path = join(root, DOCUMENT);
    if (write) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, wanted);
    }
    if (checkoutFiles(root).includes(DOCUMENT) && readFileSync(path, 'utf8') === wanted) return [];
    return [
      {
        file: DOCUMENT,
        problem: 'it is not what the tests are called',
        remedy: 'run script/check --write fault-table and read the change',
      },
    ];
  },
};

/**
 * The page, from the titles `FAULT: RESULT` of tests and groups. A title made from parts has a row for each of what they are, where a loop over
 * a list of words says so; else their names in italics. Tests of the deep suite say when they passed last.
 */
export function faultTable(
  files: readonly { readonly file: string; readonly text: string }[],
  passed: Readonly<Record<string, PassedFault>>,
): string {
  const rows = files.flatMap(({ file, text }) =>
    titlesOf(text).map((title) => {
      const at = title.indexOf(': ');
      const [fault, result] = at < 0 ? [title, ''] : [title.slice(0, at), title.slice(at + 2)];
      const last = isDeep(file) ? lastPassed(passed[title]) : 'with every `script/test`';
      return `| ${cell(fault)} | ${cell(result)} | [${basename(file, '.test.ts')}](../../${file}) | ${last} |`;
    }),
  );
  return [
    '# Injected faults',
    '',
    'Written by `script/check --write fault-table` from the titles of the tests in `integration/faults`; `script/test integration/faults/`',
    'injects each of them into a real stand. What a person sees of them, and what to do:',
    '[operations.md](../operations.md#faults-that-were-tried). Those of the deep suite take long and run by name: `script/test deep --record`',
    'writes down when each passed (`--name=PATTERN` for a part of them).',
    '',
    '| fault | result | test | passed |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function lastPassed(passed: PassedFault | undefined): string {
  return passed === undefined ? 'not on record' : `${passed.on}, ${passed.commit}, ${passed.seconds} s`;
}

function titlesOf(text: string): string[] {
  const titles = [...text.matchAll(/^ *(?:test|describe)\(\s*(?:'([^'\n]*)'|`([^`\n]*)`)/gm)];
  return titles.flatMap((match) => expanded(match[1] ?? match[2] ?? '', loopsAbove(text.slice(0, match.index))));
}

/** What the names of loops stand for at the end of this text, the nearest last: `for (const NAME of ['WORD', …]`. */
function loopsAbove(text: string): ReadonlyMap<string, readonly string[]> {
  const loops = [...text.matchAll(/^ *for \(const (\w+) of \[((?:'[^'\n]*'(?:, )?)+)\]/gm)];
  return new Map(loops.map(([, name = '', words = '']) => [name, [...words.matchAll(/'([^']*)'/g)].map(([, word = '']) => word)]));
}

function expanded(title: string, loops: ReadonlyMap<string, readonly string[]>): string[] {
  const [whole, name = ''] = [...title.matchAll(/\$\{(\w+)\}/g)].find(([, each = '']) => loops.has(each)) ?? [];
  if (whole === undefined) return [title];
  return (loops.get(name) ?? []).flatMap((word) => expanded(title.replaceAll(whole, word), loops));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\$\{(\w+)\}/g, '*$1*');
}
