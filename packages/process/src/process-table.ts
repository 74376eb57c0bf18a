// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from 'node:fs';
import { hasCode } from '@bureau/core';

/** One line of the process table, from `/proc/PID/stat`. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** One letter: R running, S sleeping, D in an uninterruptible wait, T stopped, t traced, Z zombie, X dead. */
  readonly state: string;
  /** Ended, and only waits for its parent to notice. */
  readonly zombie: boolean;
  /** Clock ticks from boot to start; with the pid it names a process for good. */
  readonly startTime: number;
  /** The program's name as the kernel has it (15 bytes at most; the process may change it). */
  readonly name: string;
}

/** Parses `/proc/PID/stat`. The name may itself hold spaces and parentheses, so the last one counts. */
export function parseProcessStat(text: string): ProcessEntry {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  const state = fields[0] ?? '?';
  const number = (index: number): number => Number(fields[index] ?? Number.NaN);
  return {
    pid: Number(text.slice(0, open - 1)),
    parent: number(1),
    group: number(2),
    session: number(3),
    state,
    zombie: state === 'Z' || state === 'X',
    startTime: number(19),
    name: text.slice(open + 1, close),
  };
}

/** The process with this pid, a zombie included; undefined when there is none (or `/proc` hides it). */
export function readProcess(pid: number): ProcessEntry | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** Every process that `/proc` shows, zombies included. Not one moment: processes come and go while it is read. */
export function readProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((entry) => entry !== undefined);
}

/**
 * The descendants of `root`, itself not included, parents before children. What was orphaned has another parent by now and is missing:
 * a control group finds those too. Pass a table to look several times at the same moment.
 */
export function processTree(root: number, table: readonly ProcessEntry[] = readProcesses()): ProcessEntry[] {
  const children = Map.groupBy(table, (entry) => entry.parent);
  const found: ProcessEntry[] = [];
  const seen = new Set([root]);
  for (const queue = [root]; queue.length > 0;) {
    for (const entry of children.get(queue.shift() ?? root) ?? []) {
      if (seen.has(entry.pid)) continue;
      seen.add(entry.pid);
      found.push(entry);
      queue.push(entry.pid);
    }
  }
  return found;
}
