// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readProcess } from '@bureau/process';

const EVENTUALLY_MILLISECONDS = 10_000;

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

/** Looks until there is something; fails after ten seconds. */
export async function eventually<Thing>(otherwise: string, look: () => Thing | undefined): Promise<Thing> {
  for (const deadline = performance.now() + EVENTUALLY_MILLISECONDS; ; await new Promise((resolve) => setTimeout(resolve, 1))) {
    const thing = look();
    if (thing !== undefined) return thing;
    assert.ok(performance.now() < deadline, `${otherwise} after 10 s`);
  }
}

/** Resolves when a process has gone. */
export function gone(pid: number): Promise<true> {
  return eventually(`process ${pid} lives on`, () => (readProcess(pid)?.zombie !== false ? true : undefined));
}
