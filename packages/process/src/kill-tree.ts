// SPDX-License-Identifier: Apache-2.0
import { hasCode } from '@bureau/core';
import { STOP_ROUNDS } from './limits.ts';
import { processTree, readProcess, readProcesses, type ProcessEntry } from './process-table.ts';

/** The root of a tree: its pid alone may belong to another process by now. */
export type ProcessIdentity = Pick<ProcessEntry, 'pid' | 'startTime'>;

/** True while exactly this process lives; a zombie does not. */
export function isAlive(entry: ProcessIdentity): boolean {
  const now = readProcess(entry.pid);
  return now !== undefined && now.startTime === entry.startTime && !now.zombie;
}

/**
 * The live processes that belong to `root`: itself, its descendants, and what is in the session or process group that it leads, even
 * when orphaned. Empty when the pid has gone to another process.
 */
export function treeMembers(root: ProcessIdentity): ProcessEntry[] {
  const table = readProcesses();
  const current = table.find((entry) => entry.pid === root.pid);
  if (current !== undefined && current.startTime !== root.startTime) return [];
  const members = new Map(processTree(root.pid, table).map((entry) => [entry.pid, entry]));
  for (const entry of table) {
    if (entry.pid === root.pid || entry.session === root.pid || entry.group === root.pid) members.set(entry.pid, entry);
  }
  return [...members.values()].filter((entry) => !entry.zombie && entry.pid > 1 && entry.pid !== process.pid);
}

/** Sends a signal to exactly this process; nothing when it is gone or not ours to signal (the caller looks whether it still lives). */
function signalExactly(entry: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(entry)) return;
  try {
    process.kill(entry.pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH') && !hasCode(error, 'EPERM')) throw error;
  }
}

/**
 * Kills `root` and everything that `treeMembers` finds, plus `also` (members seen earlier that may have been orphaned since). Stops all
 * first, looking again until nothing new appears, so that nothing forks away between look and kill. Returns whom it killed; they may need a moment to be gone. What called setsid *and* was orphaned before the first look is not
 * found: use a control group where that matters.
 */
export function killTree(root: ProcessIdentity, also: readonly ProcessEntry[] = []): ProcessEntry[] {
  const found = new Map(also.filter(isAlive).map((entry) => [entry.pid, entry]));
  for (const entry of found.values()) signalExactly(entry, 'SIGSTOP');
  for (let round = 0; round < STOP_ROUNDS; round += 1) {
    const roots = [root, ...found.values()];
    const fresh = roots.flatMap((each) => treeMembers(each)).filter((entry) => !found.has(entry.pid));
    if (fresh.length === 0) break;
    for (const entry of fresh) {
      found.set(entry.pid, entry);
      signalExactly(entry, 'SIGSTOP');
    }
  }
  for (const entry of found.values()) signalExactly(entry, 'SIGKILL');
  return [...found.values()];
}
