// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from 'node:fs';
import { describeError, type PrincipalName } from '@bureau/core';
import { endGroup, type Cgroup, type CgroupTree, type LimitedCgroup } from '@bureau/process';
import type { LauncherDeps } from './launcher-deps.ts';
import type { ProxyLink } from './lifecycle-proxy.ts';
import { removeSocketLink } from './socket-link.ts';
import type { SandboxRecords } from './state-record.ts';
import type { EffectiveLimits } from './resource-limits.ts';

/** The relay's own group: never the payload's, whose memory limit would take the relay with it. */
export function relayGroupOf(tree: CgroupTree, number: number): Cgroup {
  return tree.group(`relay-${number}`);
}

/** The payload's. Limits count when the group is made; to find it again none are needed. */
export function sandboxGroupOf(tree: CgroupTree, number: number, limits: Partial<EffectiveLimits> = {}): LimitedCgroup {
  return tree.limited(`sandbox-${number}`, limits);
}

/** Nothing of an earlier sandbox may live beside a new one. Throws `group_unkillable`. */
export async function endGroups({ tree, clock }: LauncherDeps, number: number): Promise<void> {
  for (const group of [relayGroupOf(tree, number), sandboxGroupOf(tree, number)]) {
    await endGroup(group, 0, clock);
    group.remove();
  }
}

/** True when a sandbox of this number left anything but its record: a launcher died while it made or ended it. */
export function hasRemains({ tree, paths }: LauncherDeps, number: number): boolean {
  const places = [relayGroupOf(tree, number).path, sandboxGroupOf(tree, number).path, paths.principal(number).directory];
  return places.some((path) => existsSync(path));
}

/** Whose remains `clearRemains` ends. */
export interface Remains {
  readonly principal: PrincipalName;
  readonly number: number;
  readonly proxy: ProxyLink;
  /** False: the record says how it ended, and stays until it is forgotten. */
  readonly withRecord: boolean;
}

/**
 * Ends and removes everything of a number, its record last, so that a crash between is followed by another try. Never rejects:
 * what could not be removed is told, and met again by the next start.
 */
export async function clearRemains(deps: LauncherDeps, records: SandboxRecords, remains: Remains): Promise<void> {
  const { principal, number, proxy, withRecord } = remains;
  const { logger, paths } = deps;
  try {
    await endGroups(deps, number);
    await proxy.close().catch((error: unknown) => logger.warn({ principal, error: describeError(error) }, 'proxy was not stopped'));
    removeSocketLink(paths, principal);
    rmSync(paths.principal(number).directory, { recursive: true, force: true });
    if (withRecord) records.remove(number);
  } catch (error) {
    logger.error({ principal, number, error: describeError(error) }, 'not everything of it was removed');
  }
}

/**
 * A number that is nobody's belongs to a list of principals that was lost: what runs under it has no name any more, and is ended. Never
 * rejects.
 */
export async function endStrays({ tree, clock, logger }: LauncherDeps, known: ReadonlySet<number>): Promise<void> {
  const strays = tree
    .list()
    .filter((name) => /^(relay|sandbox)-[0-9]+$/.test(name) && !known.has(Number(name.slice(name.indexOf('-') + 1))));
  for (const name of strays) {
    logger.error({ group: name }, 'belongs to no principal; ending it');
    const group = tree.limited(name, {});
    await endGroup(group, 0, clock)
      .then(() => group.remove())
      .catch((error: unknown) => logger.error({ group: name, error: describeError(error) }, 'not ended'));
  }
}
