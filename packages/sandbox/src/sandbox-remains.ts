// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from 'node:fs';
import { describeError, type PrincipalName } from '@bureau/core';
import { endGroup, type CgroupTree, type LimitedCgroup } from '@bureau/process';
import type { LauncherDeps } from './launcher-deps.ts';
import type { ProxyLink } from './lifecycle-proxy.ts';
import type { RelayGroups } from './relay-groups.ts';
import { removeSocketLink } from './socket-link.ts';
import type { SandboxRecords } from './state-record.ts';
import type { EffectiveLimits } from './resource-limits.ts';

/** Beside the payload's own: bubblewrap itself, which waits for its init. */
const BWRAP_PROCESSES = 1;

/** The payload's, never the relay's: a memory limit would take the relay with it. Limits count when the group is made; to find it again none are needed. */
export function sandboxGroupOf(tree: CgroupTree, number: number, limits: Partial<EffectiveLimits> = {}): LimitedCgroup {
  const { pids } = limits;
  return tree.limited(`sandbox-${number}`, pids === undefined ? limits : { ...limits, pids: pids + BWRAP_PROCESSES });
}

/** Nothing of an earlier sandbox may live beside a new one. Throws `group_unkillable`. */
export async function endGroups({ tree, clock }: LauncherDeps, relays: RelayGroups, number: number): Promise<void> {
  await relays.end(number);
  const group = sandboxGroupOf(tree, number);
  await endGroup(group, 0, clock);
  group.remove();
}

/** True when a sandbox of this number left anything but its record: a launcher died while it made or ended it. */
export function hasRemains({ tree, paths }: LauncherDeps, relays: RelayGroups, number: number): boolean {
  if (relays.of(number) !== undefined) return true;
  return [sandboxGroupOf(tree, number).path, paths.principal(number).directory].some((path) => existsSync(path));
}

/** Whose remains `clearRemains` ends. */
export interface Remains {
  readonly principal: PrincipalName;
  readonly number: number;
  readonly proxy: ProxyLink;
  readonly relays: RelayGroups;
  /** False: the record says how it ended, and stays until it is forgotten. */
  readonly withRecord: boolean;
}

/**
 * Ends and removes everything of a number, its record last, so that a crash between is followed by another try. Never rejects:
 * what could not be removed is told, and met again by the next start.
 */
export async function clearRemains(deps: LauncherDeps, records: SandboxRecords, remains: Remains): Promise<void> {
  const { principal, number, proxy, relays, withRecord } = remains;
  const { logger, paths } = deps;
  try {
    await endGroups(deps, relays, number);
    await proxy.close().catch((error: unknown) => logger.warn({ principal, error: describeError(error) }, 'proxy was not stopped'));
    removeSocketLink(paths, principal);
    rmSync(paths.principal(number).directory, { recursive: true, force: true });
    if (withRecord) records.remove(number);
  } catch (error) {
    logger.error({ principal, number, error: describeError(error) }, 'not everything of it was removed');
  }
}

/**
 * A number that is nobody's belongs to a list of principals that was lost: what runs under it has no name any more, and is ended. (Relays of
 * nobody end with the earlier launcher's pool.) Never rejects.
 */
export async function endStrays({ tree, clock, logger }: LauncherDeps, known: ReadonlySet<number>): Promise<void> {
  const strays = tree.list().filter((name) => /^sandbox-[0-9]+$/.test(name) && !known.has(Number(name.slice(name.indexOf('-') + 1))));
  for (const name of strays) {
    logger.error({ group: name }, 'belongs to no principal; ending it');
    const group = tree.limited(name, {});
    await endGroup(group, 0, clock)
      .then(() => group.remove())
      .catch((error: unknown) => logger.error({ group: name, error: describeError(error) }, 'not ended'));
  }
}
