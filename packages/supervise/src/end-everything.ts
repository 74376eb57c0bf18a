// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { CgroupTree } from '@bureau/process';
import { adoptFrom, stopAdopted } from './adopted.ts';
import { STOP_GRACE_MILLISECONDS } from './limits.ts';

/** Who may start others ends before those; payloads end in good order through their relays before anything kills them. */
const ORDER: readonly RegExp[] = [/^daemon$/, /^launcher$/, /^relay-[0-9]+$/, /^sandbox-[0-9]+$/, /./];

/**
 * Ends every process of a stand, known by nothing but its cgroups: TERM, grace, KILL, one kind after the other. Resolves when all
 * groups are empty and removed. Needs no service manager, so it also clears what a killed one left.
 */
export async function endEverything(tree: CgroupTree, graceMilliseconds: number, clock: Clock): Promise<void> {
  const waiting = new Set(tree.list());
  for (const kind of ORDER) {
    const names = [...waiting].filter((name) => kind.test(name));
    for (const name of names) waiting.delete(name);
    await Promise.all(names.map((name) => endGroup(tree, name, graceMilliseconds, clock)));
  }
  tree.remove();
}

async function endGroup(tree: CgroupTree, name: string, graceMilliseconds: number, clock: Clock): Promise<void> {
  const group = tree.group(name);
  const left = adoptFrom(group);
  // A payload has had its TERM from its relay, with the payload's own grace.
  const grace = name.startsWith('sandbox-') ? 0 : name.startsWith('relay-') ? graceMilliseconds : STOP_GRACE_MILLISECONDS;
  if (left !== undefined) await stopAdopted(left, group, grace, clock);
  group.remove();
}
