// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';

/** The limits of a process by their names in /proc: soft and hard. */
export function limitsOf(pid: number): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/limits`, 'utf8').split('\n').slice(1, -1);
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = '', soft, hard] = /^(.+?)\s{2,}(\S+)\s+(\S+)/.exec(line) ?? [];
      return [name, `${soft} ${hard}`];
    }),
  );
}

const SIGTERM = 15n;

/** What a process does at a TERM. */
export function atTerm(pid: number): { readonly ignored: boolean; readonly caught: boolean } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const has = (name: string): boolean =>
    ((BigInt(`0x${new RegExp(`^${name}:\\s+(\\w+)$`, 'm').exec(status)?.[1] ?? '0'}`) >> (SIGTERM - 1n)) & 1n) === 1n;
  return { ignored: has('SigIgn'), caught: has('SigCgt') };
}
