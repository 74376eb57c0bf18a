// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Clock } from '@bureau/core';
import { untilEmpty, type Cgroup } from '@bureau/process';

/** A process that an earlier service manager started: known by its cgroup, ended when the cgroup is empty. */
export interface Adopted {
  readonly pid: number;
  /** Arguments of the process, NUL replaced by spaces; empty when it is just ending. */
  readonly commandLine: string;
  /** Settles when the group is empty; how it ended nobody can tell. Never rejects. */
  readonly exited: Promise<{ code: null; signal: null }>;
}

/** The live process of this cgroup, or `undefined` when it is empty. The lowest process id counts when there are several. */
export function adoptFrom(cgroup: Cgroup, clock: Clock): Adopted | undefined {
  const pid = cgroup.populated() ? cgroup.pids().toSorted((a, b) => a - b)[0] : undefined;
  if (pid === undefined) return undefined;
  return { pid, commandLine: commandLine(pid), exited: untilEmpty(cgroup, clock).then(() => ({ code: null, signal: null })) };
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
