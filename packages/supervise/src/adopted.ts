// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Clock } from '@bureau/core';
import type { Cgroup } from '@bureau/process';

/** A process that an earlier service manager started: known by its cgroup, ended when the cgroup is empty. */
export interface Adopted {
  readonly pid: number;
  /** Arguments of the process, NUL replaced by spaces. */
  readonly commandLine: string;
  readonly exited: Promise<{ code: null; signal: null }>;
}

/** The live process of this cgroup, or `undefined` when it is empty. The oldest one counts when there are several. */
export function adoptFrom(cgroup: Cgroup): Adopted | undefined {
  const pid = cgroup.populated() ? cgroup.pids().toSorted((a, b) => a - b)[0] : undefined;
  if (pid === undefined) return undefined;
  const forever = new AbortController();
  return {
    pid,
    commandLine: commandLine(pid),
    exited: cgroup.whenEmpty(forever.signal).then(() => ({ code: null, signal: null })),
  };
}

/** TERM to all of them, grace, then KILL of the cgroup; resolves when it is empty. */
export async function stopAdopted(adopted: Adopted, cgroup: Cgroup, graceMilliseconds: number, clock: Clock): Promise<void> {
  for (const pid of cgroup.pids()) terminate(pid);
  const deadline = clock.setTimer(graceMilliseconds, () => cgroup.kill());
  await adopted.exited;
  deadline.clear();
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended meanwhile.
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
