// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { ensurePrincipalDirectories, ensureWorkspace } from '@bureau/instance';
import type { BundleHeader } from '@bureau/protocol';
import type { LauncherCredentials } from './launcher-credentials.ts';
import type { CreateInput, LauncherDeps } from './launcher-deps.ts';
import { planSandbox } from './launcher-wall.ts';
import type { ProxyLink } from './lifecycle-proxy.ts';
import { startRelay, type RelayStart } from './lifecycle-relay.ts';
import { placePayloadFiles } from './payload-files.ts';
import { clearRemains, endGroups, relayGroupOf, sandboxGroupOf } from './sandbox-remains.ts';
import { placeSecretFiles, removeSecretFiles } from './secret-files.ts';
import { placeSocketLink } from './socket-link.ts';
import { StageTimes } from './stage-times.ts';
import type { SandboxRecord, SandboxRecords } from './state-record.ts';

/** What `startSandbox` starts. */
export interface SandboxStart {
  readonly input: CreateInput;
  readonly number: number;
  readonly proxy: ProxyLink;
  readonly records: SandboxRecords;
  readonly pool: RelayStart['pool'];
  /** The payload's command runs; perhaps long after the start. */
  readonly onRunning: () => void;
}

/**
 * Brings a sandbox to the point where its init stands in its cgroup and may run, and its proxy serves. The record is written before
 * anything runs, and everything before it is harmless alone. Throws what refused it; nothing of it is left then.
 */
export async function startSandbox(deps: LauncherDeps, start: SandboxStart): Promise<SandboxRecord> {
  const { clock, credentials, paths, tree, uids } = deps;
  const { input, number, proxy, records } = start;
  const faults = new StageTimes(clock, deps.faults);
  const header = await headerOf(credentials, input, number);
  faults.reached('create.accepted');
  await endGroups(deps, number);
  const places = paths.principal(number);
  // A report of the sandbox before must never pass for this one's.
  rmSync(places.exitDirectory, { recursive: true, force: true });
  faults.reached('create.cleared');
  ensurePrincipalDirectories(paths, number, uids);
  ensureWorkspace(paths, input.principal, number, uids);
  placePayloadFiles(places.agentDirectory, input.spec);
  removeSecretFiles(places.agentDirectory);
  faults.reached('create.directories');
  // Held until the sandbox stands: what was judged cannot become something else meanwhile.
  using planned = planSandbox(input, number, header, deps);
  const { config, limits } = planned;
  const { secretFiles = [] } = input.spec;
  faults.reached('create.planned');

  const record: SandboxRecord = { v: 1, principal: input.principal, number, id: input.id, startedAt: clock.now() };
  records.write(record);
  faults.reached('create.recorded');
  try {
    if (secretFiles.length > 0) {
      const opened = await credentials.open(input.principal, number);
      using _secrets = opened.secrets;
      placeSecretFiles(places.agentDirectory, secretFiles, opened, uids.payload(number));
    }
    // Proxy and relay are a Node start each: side by side they cost one.
    const untilServed = proxy.bringUp().then(() => {
      faults.reached('create.served');
      placeSocketLink(paths, input.principal, places.proxySocket);
      faults.reached('create.linked');
    });
    untilServed.catch(() => undefined);
    await startRelay({
      untilServed,
      pool: start.pool,
      uid: uids.payload(number),
      socketPath: places.relaySocket,
      logFile: `${paths.logDir}/relay-${number}.log`,
      outputFile: paths.outputLog(number),
      config,
      relayGroup: relayGroupOf(tree, number),
      sandboxGroup: sandboxGroupOf(tree, number, limits),
      clock,
      faults,
      onRunning: start.onRunning,
    });
  } catch (error) {
    await clearRemains(deps, records, { principal: input.principal, number, proxy, withRecord: true });
    throw error;
  }
  deps.logger.info({ principal: input.principal, number, id: input.id, milliseconds: faults.milliseconds }, 'sandbox created');
  return record;
}

/** What the bundle says, that of this request or else the last accepted one. */
async function headerOf(credentials: LauncherCredentials, { principal, bundle }: CreateInput, number: number): Promise<BundleHeader> {
  if (bundle !== undefined) return credentials.accept(principal, number, bundle);
  const opened = await credentials.open(principal, number);
  opened.secrets[Symbol.dispose]();
  return opened.header;
}
