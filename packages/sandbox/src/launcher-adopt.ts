// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, describeError, type PrincipalName } from '@bureau/core';
import type { LauncherDeps } from './launcher-deps.ts';
import type { ProxyLink } from './lifecycle-proxy.ts';
import type { LiveSandbox } from './lifecycle-sandbox.ts';
import type { RelayGroups } from './relay-groups.ts';
import { clearRemains, hasRemains } from './sandbox-remains.ts';
import type { SandboxRecord, SandboxRecords } from './state-record.ts';

/** What becomes of what an earlier launcher left. */
export interface Found {
  /** It has ended; nobody has forgotten it yet. */
  ended(record: SandboxRecord): void;
  /** It lives, or its end has not been told. */
  lives(record: SandboxRecord): LiveSandbox;
  /** Runs in the principal's turn, so that no create meets it. */
  clear(task: () => Promise<void>): Promise<void>;
  proxy(): ProxyLink;
  readonly relays: RelayGroups;
}

/** Whose sandbox it was. */
export interface Whose {
  readonly principal: PrincipalName;
  readonly number: number;
}

/**
 * Judges by record, cgroups and exit report alone what an earlier launcher, however it ended, left of one principal. What is known is
 * told before the promise is returned; that settles when the proxy serves again or what is left has ended. Never rejects.
 */
export function adoptSandbox(deps: LauncherDeps, records: SandboxRecords, whose: Whose, found: Found): Promise<void> {
  const { paths, logger } = deps;
  const { principal, number } = whose;
  const { relays } = found;
  const record = readRecord(deps, records, whose);
  const clear = (withRecord: boolean): Promise<void> =>
    found.clear(() => clearRemains(deps, records, { principal, number, proxy: found.proxy(), relays, withRecord }));
  if (record?.exit !== undefined) {
    found.ended(record);
    // Its end was written down, and then a launcher died before everything of it was gone.
    return hasRemains(deps, relays, number) ? clear(false) : Promise.resolve();
  }
  if (record === undefined && !hasRemains(deps, relays, number)) return Promise.resolve();
  const relayLives = relays.of(number)?.populated() === true;
  if (record === undefined || !(relayLives || existsSync(paths.principal(number).exitFile))) {
    // Ended with the whole stand or the machine (no relay, no report), or nobody can say which sandbox it is: as if not made.
    return clear(true);
  }
  logger.info({ principal, id: record.id }, 'found again');
  const sandbox = found.lives(record);
  if (!relayLives) return Promise.resolve();
  return sandbox.resume().catch((error: unknown) => {
    logger.error({ principal, error: describeError(error) }, 'proxy did not come back at once; trying again');
  });
}

/** `undefined` as well for a record that is malformed or another principal's: it is put aside, and stops nobody. */
function readRecord({ logger }: LauncherDeps, records: SandboxRecords, { principal, number }: Whose): SandboxRecord | undefined {
  try {
    const record = records.read(number);
    if (record === undefined || (record.principal === principal && record.number === number)) return record;
    throw new BureauError(
      'file_malformed',
      `Expected the record of "${principal}" (${number}), found that of "${record.principal}" (${record.number})`,
    );
  } catch (error) {
    logger.error({ principal, number, error: describeError(error) }, 'record put aside; ending what runs under this number');
    records.setAside(number);
    return undefined;
  }
}
