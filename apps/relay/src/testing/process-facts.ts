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
