// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';
import { LAYERS } from './manifests.ts';
import type { Layer } from './manifests.ts';

const DOCUMENT = 'docs/overview.md';
const BEGIN = '<!-- packages: written by script/check --write packages -->';
const END = '<!-- /packages -->';

/** What each layer is called in the table. */
const LAYER_NAMES: ReadonlyMap<Layer, string> = new Map<Layer, string>([
  [0, '0 pure'],
  [1, '1 host'],
  [2, '2 primitives'],
  [3, '3 system'],
  ['testing', 'tests only'],
  ['app', 'process'],
  ['integration', 'tests only'],
]);

/** One line of the table. */
export interface PackageLine {
  readonly folder: string;
  readonly layer: Layer;
  readonly description: string;
}

/** The table of docs/overview.md says what the package.json files say. */
export const packageTableCheck: Check = {
  name: 'packages',
  run: ({ root, write }) => {
    const path = join(root, DOCUMENT);
    const before = readFileSync(path, 'utf8');
    const after = withPackageTable(before, packageLines(root));
    if (after === undefined) {
      return [
        {
          file: DOCUMENT,
          problem: 'the markers of the package table are missing',
          remedy: `put '${BEGIN}' and '${END}' on lines of their own`,
        },
      ];
    }
    if (write && after !== before) writeFileSync(path, after);
    return write ? [] : tableFindings(before, after);
  },
};

/** Returns the text with the table between the markers written anew, or undefined when the markers are not there. */
export function withPackageTable(text: string, lines: readonly PackageLine[]): string | undefined {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) return undefined;
  return `${text.slice(0, begin + BEGIN.length)}\n${packageTable(lines)}\n${text.slice(end)}`;
}

function packageTable(lines: readonly PackageLine[]): string {
  const rank = ({ layer }: PackageLine): number => LAYERS.indexOf(layer);
  const sorted = lines.toSorted((a, b) => rank(a) - rank(b) || (a.folder < b.folder ? -1 : 1));
  const rows = sorted.map(
    ({ folder, layer, description }) => `| ${LAYER_NAMES.get(layer) ?? String(layer)} | \`${folder}\` | ${description} |`,
  );
  return ['| layer | folder | what it is |', '| --- | --- | --- |', ...rows].join('\n');
}

/** A finding at the first line that differs; none when the texts are the same. */
function tableFindings(before: string, after: string): Finding[] {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  const at = fresh.findIndex((line, index) => line !== old[index]);
  if (before === after) return [];
  return [
    {
      file: DOCUMENT,
      line: at + 1,
      problem: 'the package table is not what the package.json files say',
      remedy: 'correct the description in package.json, or run script/check --write packages',
    },
  ];
}

function packageLines(root: string): PackageLine[] {
  return checkoutFiles(root)
    .filter((file) => /^((apps|packages)\/[^/]+|integration)\/package\.json$/.test(file))
    .map((file) => {
      const { layer, description = '' } = JSON.parse(readFileSync(join(root, file), 'utf8')) as { layer: Layer; description?: string };
      return { folder: file.slice(0, -'/package.json'.length), layer, description };
    });
}
