// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import { endGroup, type CgroupTree } from '@bureau/process';
import { STOP_GRACE_MILLISECONDS } from './limits.ts';

/** The service manager's own group: it ends everything else from outside, and is found here when it no longer answers. */
export const MANAGER_GROUP = 'manager';

/** Who may start others ends before those; payloads end in good order through their relays before anything kills them. */
const ORDER: readonly RegExp[] = [/^manager$/, /^daemon$/, /^launcher$/, /^relay-/, /^sandbox-/, /./];

/**
 * Ends every process of a stand, known by nothing but its cgroups: TERM, grace, KILL, one kind after the other. Resolves when all
 * groups are empty and removed. Needs no service manager, so it also clears what a killed one left. `spare` names a group that is
 * left alone: the caller's own; the tree then stays for whoever comes after it.
 * Throws `group_unkillable` when something survives; everything else has ended then.
 */
export async function endEverything(tree: CgroupTree, graceMilliseconds: number, clock: Clock, spare?: string): Promise<void> {
  const failures: unknown[] = [];
  for (const kind of ORDER) {
    // Listed anew for each kind: until its own end a launcher may have started one more relay.
    const names = tree.list().filter((name) => kind.test(name) && name !== spare);
    const ends = await Promise.allSettled(names.map((name) => endOne(tree, name, graceMilliseconds, clock)));
    failures.push(...ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : [])));
  }
  if (failures.length > 0) throw failures[0];
  if (spare === undefined || !tree.list().includes(spare)) tree.remove();
}

async function endOne(tree: CgroupTree, name: string, graceMilliseconds: number, clock: Clock): Promise<void> {
  const group = tree.group(name);
  await endGroup(group, graceOf(name, graceMilliseconds), clock);
  group.remove();
}

function graceOf(name: string, graceMilliseconds: number): number {
  // A payload has had its TERM from its relay, with the payload's own grace.
  if (name.startsWith('sandbox-')) return 0;
  return name.startsWith('relay-') ? graceMilliseconds : STOP_GRACE_MILLISECONDS;
}
