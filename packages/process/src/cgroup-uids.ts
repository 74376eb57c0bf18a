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
    const owner = group
      .pids()
      .map((pid) => ({ pid, uid: readProcessStatus(pid)?.uids[0] }))
      // Still there: its number may have become another's between the two looks.
      .find(({ pid, uid }) => uid !== undefined && uid !== 0 && group.pids().includes(pid));
    if (owner?.uid !== undefined) found.set(owner.uid, [...(found.get(owner.uid) ?? []), group]);
  }
  return found;
}
