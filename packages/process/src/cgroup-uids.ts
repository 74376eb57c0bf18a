// SPDX-License-Identifier: Apache-2.0
import type { CgroupTree } from './cgroup-tree.ts';
import type { Cgroup } from './cgroup.ts';
import { readProcessStatus } from './process-status.ts';

/**
 * The groups `<prefix>-…` of a tree by the uid that lives in them: who a member of a pool has become, whatever its group is called. Groups in
 * which nobody lives but root (members that wait, or are about to take their uid) are not among them. Reads one file for each process.
 */
export function groupsByUid(tree: CgroupTree, prefix: string): ReadonlyMap<number, readonly Cgroup[]> {
  const found = new Map<number, Cgroup[]>();
  for (const name of tree.list().filter((each) => each.startsWith(`${prefix}-`))) {
    const group = tree.group(name);
    const uid = group
      .pids()
      .map((pid) => readProcessStatus(pid)?.uids[0])
      .find((each) => each !== undefined && each !== 0);
    if (uid !== undefined) found.set(uid, [...(found.get(uid) ?? []), group]);
  }
  return found;
}
