// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { entryOf } from '../applications.ts';
import { bundleApplication } from '../bundle-application.ts';
import type { Check, Finding } from './finding.ts';
import { formatLedger, readGraph } from './module-graph.ts';
import type { ModuleGraph } from './module-graph.ts';

/** What the root process may ask npm for itself (design, section 8). */
const LAUNCHER_DIRECT = new Set(['age-encryption', 'koffi', 'msgpackr', 'pino', 'valibot']);

/** What must not reach the root process, in whatever way. */
const LAUNCHER_FORBIDDEN = new Map([
  ...['node:dgram', 'node:dns', 'node:dns/promises', 'node:http', 'node:http2', 'node:https', 'node:inspector', 'node:tls'].map(
    (name) => [name, 'the launcher speaks Unix sockets only'] as const,
  ),
  ...['matrix-js-sdk', 'undici', 'werift', 'node-datachannel'].map((name) => [name, 'the launcher has no network'] as const),
  ['node:sqlite', 'a database is a parser of megabytes; import @bureau/files, not @bureau/files/sqlite'],
  ['node-ipc', 'unprivileged processes only; the launcher side of the wire is node:net'],
  ['commander', 'only people type commands'],
]);

const LEDGER = 'deploy/ledger/launcher.txt';

/** Everything that the root launcher is made of is a committed list; a change of it is seen in review. */
export const ledgerCheck: Check = {
  name: 'ledger',
  run: async ({ root, write }) => {
    if (!existsSync(entryOf(root, 'launcher'))) return [];
    const { chunks } = await bundleApplication(root, 'launcher');
    const graph = readGraph(root, chunks);
    const path = join(root, LEDGER);
    const text = formatLedger('launcher', graph);
    const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (write && before !== text) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    return [...forbiddenFindings(graph), ...(write ? [] : differenceFindings(before, text))];
  },
};

/** Findings for what is in the graph and must not be. */
export function forbiddenFindings(graph: ModuleGraph): Finding[] {
  const file = LEDGER;
  const names = [...graph.builtins, ...graph.packages.map((entry) => entry.name)];
  const forbidden = names.flatMap((name) => {
    const why = LAUNCHER_FORBIDDEN.get(name);
    return why === undefined
      ? []
      : [
          {
            file,
            problem: `${name} reaches the launcher: ${why}`,
            remedy: 'find the import (its bundle: script/build, then .build/current/lib/launcher.js) and cut it',
          },
        ];
  });
  const direct = graph.packages.flatMap((entry) => {
    if (entry.importedBy === undefined || LAUNCHER_DIRECT.has(entry.name)) return [];
    return [
      {
        file: entry.importedBy,
        problem: `imports ${entry.name} into the launcher`,
        remedy: `the launcher's own npm packages are ${[...LAUNCHER_DIRECT].join(', ')}, no more (design, section 8)`,
      },
    ];
  });
  return [...forbidden, ...direct];
}

/** One finding per line that appeared or went. */
export function differenceFindings(before: string, after: string): Finding[] {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  const remedy = 'if that is meant: script/check --write, and say in the commit why the root process needs it';
  const lost = old.flatMap((text, index) =>
    fresh.includes(text) ? [] : [{ file: LEDGER, line: index + 1, problem: `the launcher no longer contains: ${text}`, remedy }],
  );
  const gained = fresh
    .filter((text) => !old.includes(text))
    .map((text) => ({ file: LEDGER, problem: `the launcher now contains: ${text}`, remedy }));
  return [...lost, ...gained];
}
