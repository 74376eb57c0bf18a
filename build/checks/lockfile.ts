// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check, Finding } from './finding.ts';
import { lineAt } from './finding.ts';

export interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly hasInstallScript?: boolean;
}
export type LockPackages = Readonly<Record<string, LockEntry>>;

/** Packages that must not be here, and why. */
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ['peacenotwar', 'the malware that node-ipc 10.1 carried in 2022'],
  ['http-proxy', 'unmaintained; the proxy is node:http and undici'],
  ['better-sqlite3', 'node:sqlite serves, without a native build'],
  ['@vector-im/matrix-bot-sdk', 'matrix-js-sdk is the one Matrix SDK; a second one doubles what can go wrong'],
  ['matrix-bot-sdk', 'matrix-js-sdk is the one Matrix SDK'],
  ['eslint', 'it drags an older TypeScript in; oxlint is our linter'],
  ['event-source-polyfill', 'carried a protest payload in 2022'],
  ['es5-ext', 'carries a protest payload in its install script'],
]);

/** node-ipc shipped malware twice, in other versions: exactly this one, these bytes (the registry's, taken down on 2026-11-21). */
const NODE_IPC = {
  version: '14.0.0',
  integrity: 'sha512-d5+aogND4Gk6aQkW5KCibliM4Mn12+isHXt8wFghO4Bn0gBSnev3TXJWQ4eEnzrlh5gCG+nwQEZwyayeDtQxQA==',
};

/** Packages that want to run something when installed. None does (ignore-scripts); a new one must be noticed. */
const KNOWN_INSTALL_SCRIPTS = new Set(['koffi', 'msgpackr-extract', 'node-pty']);

/** What is in the lock files: nothing forbidden, everything with an integrity. */
export const lockfileCheck: Check = {
  name: 'lockfile',
  run: ({ root }) =>
    ['package-lock.json', 'build/toolchain/package-lock.json'].flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return lockFindings(file, text);
    }),
};

/** Findings in the text of one package-lock.json. */
export function lockFindings(file: string, text: string): Finding[] {
  const packages = (JSON.parse(text) as { packages: LockPackages }).packages;
  return Object.entries(packages).flatMap(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.link === true) return [];
    const name = path.split('node_modules/').at(-1) ?? path;
    const line = lineAt(text, text.indexOf(`"${path}"`));
    return problemsOf(name, entry).map(([problem, remedy]) => ({ file, line, problem, remedy }));
  });
}

function problemsOf(name: string, entry: LockEntry): [string, string][] {
  const found: [string, string][] = [];
  const why = FORBIDDEN.get(name);
  if (why !== undefined) found.push([`${name} is forbidden: ${why}`, 'find what asks for it (script/npm explain) and do without']);
  if (name === 'node-ipc' && (entry.version !== NODE_IPC.version || entry.integrity !== NODE_IPC.integrity)) {
    found.push([
      `node-ipc is ${entry.version} (${entry.integrity}), only ${NODE_IPC.version} with its known bytes is allowed`,
      'pin it exactly; other versions shipped malware',
    ]);
  }
  if (entry.inBundle !== true && entry.integrity === undefined)
    found.push([`${name} has no integrity`, 'run script/npm install again; without it any bytes would do']);
  if (entry.hasInstallScript === true && !KNOWN_INSTALL_SCRIPTS.has(name)) {
    found.push([
      `${name} wants to run a script when it is installed`,
      'it will not run; read it, and list the package in build/checks/lockfile.ts',
    ]);
  }
  return found;
}
