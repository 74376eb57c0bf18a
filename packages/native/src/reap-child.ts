// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

const WNOHANG = 1;

/**
 * Waits for one ended child by its pid without blocking; true when it was collected. False when it still runs or is not a child.
 * Never give it a pid that Node spawned: libuv would wait for a process that is gone and its exit event would be wrong.
 */
export function reapChild(pid: number): boolean {
  return pid > 0 && libc().waitpid(pid, null, WNOHANG) === pid;
}
