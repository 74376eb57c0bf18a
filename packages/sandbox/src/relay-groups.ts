// SPDX-License-Identifier: Apache-2.0
import type { InstanceUids } from '@bureau/instance';
import { endGroup, groupsByUid, type Cgroup, type CgroupTree } from '@bureau/process';
import type { Clock } from '@bureau/core';

/** Prefix of the groups in which relays live, those that wait and those that serve. */
export const RELAY_PREFIX = 'relay';

/**
 * Whose relay lives in which control group. A relay keeps the group that it waited in, so what tells is the uid that it took: an earlier
 * launcher's relays are found by it, whatever that launcher called their groups.
 */
export class RelayGroups {
  readonly #groups = new Map<number, readonly Cgroup[]>();
  readonly #clock: Clock;

  /** Looks once at what is there for these numbers. */
  constructor(tree: CgroupTree, uids: InstanceUids, numbers: readonly number[], clock: Clock) {
    this.#clock = clock;
    const found = groupsByUid(tree, RELAY_PREFIX);
    for (const number of numbers) {
      const groups = found.get(uids.payload(number));
      if (groups !== undefined) this.#groups.set(number, groups);
    }
  }

  /** Paths of all that serve somebody. */
  get paths(): ReadonlySet<string> {
    return new Set([...this.#groups.values()].flatMap((groups) => groups.map(({ path }) => path)));
  }

  /** The relay's group of this number, if it has one. */
  of(number: number): Cgroup | undefined {
    const groups = this.#groups.get(number);
    return groups?.find((group) => group.populated()) ?? groups?.[0];
  }

  set(number: number, group: Cgroup): void {
    this.#groups.set(number, [group]);
  }

  /** It is empty, and removed by who says so. */
  drop(number: number): void {
    this.#groups.delete(number);
  }

  /** Ends what lives in them and removes them. Throws `group_unkillable`; they are known then as before. */
  async end(number: number): Promise<void> {
    for (const group of this.#groups.get(number) ?? []) {
      await endGroup(group, 0, this.#clock);
      group.remove();
    }
    this.#groups.delete(number);
  }
}
