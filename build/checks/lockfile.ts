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

/**
 * node-ipc shipped malware twice, in other versions; all that it brings is by the same author. Exactly these, which were read
 * (docs/adr/0008-node-ipc.md), with these bytes (the registry's, taken down on 2026-11-21).
 */
const READ: ReadonlyMap<string, { readonly version: string; readonly integrity: string }> = new Map(
  [
    ['node-ipc', '14.0.0', 'd5+aogND4Gk6aQkW5KCibliM4Mn12+isHXt8wFghO4Bn0gBSnev3TXJWQ4eEnzrlh5gCG+nwQEZwyayeDtQxQA=='] as const,
    ['event-pubsub', '6.1.1', '08nRrPDOAI5QtM/iQRVIs9DiWyFiyG8VCKf/4i71xQAurXm07exshjSY80wSHJMsHPw9cpUxzJPpXjMyHeBTZw=='] as const,
    ['strong-type', '2.0.0', 'HHrY9qYC7yn+5mlewiI3k9RQM9gZqGQsqbomZcd10Ks0h4RlX01nnkWbCe4AsVPCI6KaFvpkWm1nHMD+Ykup6g=='] as const,
    ['js-queue', '3.1.0', 'qENB7XiNpXyxg6132Bwz08uq8GQyaVhD53O41d1F45aCHbKD82bkgZYHWqBGsWggDy8KuY5mPzG7oDnUV7Mn8A=='] as const,
    ['easy-stack', '2.1.0', 'ZpUD5AJeKhRic1RrajfGKuLl721bCeIpnAj1i7BtlC1XX5Mb52ku3e9pDWryV32yndd28ZyqdVsVcBuI7WY2Iw=='] as const,
    ['js-message', '3.1.0', 'k9iKFwzyAbz8gDJXIvIohSBaXeG3PvFzVwUccaDf0vv8LbEMpOvUfpyE6MGrlovliFdhTBUcIvXfSxOZkorWhA=='] as const,
  ].map(([name, version, hash]) => [name, { version, integrity: `sha512-${hash}` }]),
);

/** Packages that want to run something when installed. None does (ignore-scripts); a new one must be noticed. */
const KNOWN_INSTALL_SCRIPTS = new Set(['koffi', 'msgpackr-extract']);

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
  const read = READ.get(name);
  if (read !== undefined && (entry.version !== read.version || entry.integrity !== read.integrity)) {
    found.push([
      `${name} is ${entry.version} (${entry.integrity}), only ${read.version} with its known bytes is allowed`,
      'pin it exactly, or read the other version through and say so in docs/adr/0008-node-ipc.md: some shipped malware',
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
