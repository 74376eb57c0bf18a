// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkoutFiles, isTestFile } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';
import { LONG_FILES } from './long-files.ts';

const SPDX = 'SPDX-License-Identifier: Apache-2.0';

/** One idea per file fits in this; tests are tables and may be longer. */
const MAX_LINES = { source: 350, test: 600 };

/** Files of a kind that carries a licence line. */
export const SOURCE = /\.(ts|mts|js|mjs|cjs|sh|py|c|bzl)$|(^|\/)(BUILD|MODULE|WORKSPACE)\.bazel$|^(script|bin|\.ci)\/[^.]+$/;

/** Written by a tool: no licence line, any length. */
export const GENERATED = /(^|\/)package-lock\.json$|^deploy\/ledger\/|\.lock$|(^|\/)requirements\.txt$/;

/** Folders that hold many checkouts of many people: naming one says nothing about a machine. */
const COMMON_FOLDERS = new Set(['/', '/tmp', '/home', '/root', '/opt', '/usr', '/var', '/srv', '/mnt', '/usr/src']);

/** Licence lines, length, switched-off tests, paths of this machine. */
export const sourcesCheck: Check = {
  name: 'sources',
  run: ({ root }) => {
    const files = checkoutFiles(root).filter((file) => !GENERATED.test(file));
    const found = files.flatMap((file) => sourceFindings(root, file, readFileSync(join(root, file))));
    const stale = [...LONG_FILES.keys()].filter((file) => !files.includes(file));
    return [
      ...found,
      ...stale.map((file) => ({
        file: 'build/checks/long-files.ts',
        problem: `${file} is listed but does not exist`,
        remedy: 'remove the entry',
      })),
    ];
  },
};

/** Findings in the bytes of one file. */
export function sourceFindings(root: string, file: string, bytes: Buffer): Finding[] {
  if (bytes.includes(0)) return []; // not a text
  const lines = bytes.toString('utf8').split('\n');
  return [
    ...licenceFindings(file, lines),
    ...lengthFindings(file, lines),
    ...disabledTestFindings(file, lines),
    ...machinePathFindings(root, file, lines),
  ];
}

function licenceFindings(file: string, lines: readonly string[]): Finding[] {
  if (!SOURCE.test(file)) return [];
  const first = lines[0]?.startsWith('#!') === true ? lines[1] : lines[0];
  if (first?.includes(SPDX) === true) return [];
  return [{ file, line: 1, problem: 'the licence line is missing', remedy: `make the first line (after #!) a comment: ${SPDX}` }];
}

function lengthFindings(file: string, lines: readonly string[]): Finding[] {
  if (!SOURCE.test(file)) return [];
  const limit = maxLines(file);
  const length = lineCount(lines);
  if (length <= limit)
    return LONG_FILES.has(file)
      ? [{ file, problem: 'is short enough now', remedy: 'remove its entry from build/checks/long-files.ts' }]
      : [];
  if (LONG_FILES.has(file)) return [];
  return [
    {
      file,
      line: limit + 1,
      problem: `has ${length} lines, at most ${limit} are allowed`,
      remedy: 'split it by idea; or give a reason in build/checks/long-files.ts',
    },
  ];
}

/** How long a source may be. */
export function maxLines(file: string): number {
  return isTestFile(file) ? MAX_LINES.test : MAX_LINES.source;
}

/** Lines of a split text; the end of the last line begins no new one. */
export function lineCount(lines: readonly string[]): number {
  return lines.at(-1) === '' ? lines.length - 1 : lines.length;
}

function disabledTestFindings(file: string, lines: readonly string[]): Finding[] {
  if (!file.endsWith('.test.ts')) return [];
  const disabled =
    /\b(?:test|it|describe|suite)\.(only|skip|todo|failing)\b|\b(?:t|context|ctx)\.(skip|todo)\(|[{,]\s*(only|skip|todo)\s*:/;
  return lines.flatMap((text, index) => {
    const match = disabled.exec(text);
    if (match === null) return [];
    const word = match[1] ?? match[2] ?? match[3];
    return [
      {
        file,
        line: index + 1,
        problem: `a test is switched off or narrowed (${word})`,
        remedy: 'make it run everywhere or delete it: a skip counts as a pass for nobody',
      },
    ];
  });
}

function machinePathFindings(root: string, file: string, lines: readonly string[]): Finding[] {
  const parent = dirname(root);
  const needles = COMMON_FOLDERS.has(parent) ? [root] : [root, `${parent}/`];
  return lines.flatMap((text, index) => {
    const needle = needles.find((path) => new RegExp(`${escapeRegExp(path)}(?![\\w-])|${escapeRegExp(path)}(?<=/)`).test(text));
    if (needle === undefined) return [];
    return [
      {
        file,
        line: index + 1,
        problem: `names a path of this machine (${needle})`,
        remedy: 'make it relative to the checkout, or take it from the environment',
      },
    ];
  });
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
