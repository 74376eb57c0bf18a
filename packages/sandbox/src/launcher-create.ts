// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { hasCode } from '@bureau/core';
import { ensurePrincipalDirectories, ensureRelayDirectory, ensureWorkspace } from '@bureau/instance';
import type { WarmPool } from '@bureau/process';
import type { BundleHeader } from '@bureau/protocol';
import type { LauncherCredentials } from './launcher-credentials.ts';
import type { CreateInput, LauncherDeps } from './launcher-deps.ts';
import { planSandbox } from './launcher-wall.ts';
import type { ProxyLink } from './lifecycle-proxy.ts';
import { enlistRelay, startRelay, type EnlistedRelay } from './lifecycle-relay.ts';
import { LifecycleTimes } from './lifecycle-times.ts';
import { placePayloadFiles } from './payload-files.ts';
import type { QuietMoment } from './quiet-moment.ts';
import type { RelayGroups } from './relay-groups.ts';
import { clearRemains, endGroups, sandboxGroupOf } from './sandbox-remains.ts';
import { placeSecretFiles, removeSecretFiles } from './secret-files.ts';
import { placeSocketLink } from './socket-link.ts';
import { specDigest } from './spec-digest.ts';
import type { SandboxRecord, SandboxRecords } from './state-record.ts';

/** What `startSandbox` starts. */
export interface SandboxStart {
  readonly input: CreateInput;
  readonly number: number;
  readonly proxy: ProxyLink;
  readonly records: SandboxRecords;
  readonly pool: WarmPool;
  readonly relays: RelayGroups;
  readonly quiet: QuietMoment;
  /** Aborted: it is given up at its next step. */
  readonly cancel: AbortSignal | undefined;
  /** Aborted: its end is asked for already, so nothing waits for a quiet moment. */
  readonly hurry: AbortSignal;
  /** The payload's command runs; perhaps long after the start. */
  readonly onRunning: () => void;
}

/** What a start has once its bundle was judged. */
interface Judged {
  readonly header: BundleHeader;
  readonly relay: EnlistedRelay;
  readonly faults: LifecycleTimes;
  /** Said once the payload may run. */
  readonly started: (runs: boolean) => void;
}

/**
 * Brings a sandbox to the point where its payload may run and its proxy serves. All is judged before anything is made; the record is
 * written before anything runs, and everything before it is harmless alone. Throws what refused it, be it the proxy that took no keys while
 * the payload ran; nothing of it is left then.
 */
export async function startSandbox(deps: LauncherDeps, start: SandboxStart): Promise<SandboxRecord> {
  const { clock, credentials, tree, uids } = deps;
  const { input, number, quiet, relays } = start;
  const started = quiet.begin();
  const faults = new LifecycleTimes(clock, deps.faults, start.cancel);
  const group = sandboxGroupOf(tree, number);
  let relay: EnlistedRelay | undefined;
  try {
    await endGroups(deps, relays, number);
    group.make();
    // It takes its uid, and makes the process that will be bubblewrap, while its bundle is judged; it knows nothing else of the sandbox yet.
    relay = enlistRelay(start.pool, { uid: uids.payload(number), group, onTaken: (own) => relays.set(number, own), faults });
    const header = await headerOf(credentials, input, number);
    faults.reached('create.accepted');
    return await startJudged(deps, start, { header, relay, faults, started });
  } catch (error) {
    await relay?.end();
    // What cannot be ended now is met by the next start.
    await endGroups(deps, relays, number).catch(() => undefined);
    throw error;
  } finally {
    started(false);
  }
}

/** With a bundle that was accepted. */
async function startJudged(deps: LauncherDeps, start: SandboxStart, { header, relay, faults, started }: Judged): Promise<SandboxRecord> {
  const { clock, paths, tree, uids } = deps;
  const { input, number, proxy, records, relays } = start;
  const places = paths.principal(number);
  // Held until the sandbox stands: what was judged cannot become something else meanwhile.
  using planned = planSandbox(input, number, header, deps);
  const { start: plan, limits } = planned;
  faults.reached('create.planned');
  // A report of the sandbox before must never pass for this one's.
  rmSync(places.exitDirectory, { recursive: true, force: true });
  faults.reached('create.cleared');
  const { secretFiles = [] } = input.spec;
  const record: SandboxRecord = {
    v: 1,
    principal: input.principal,
    number,
    id: input.id,
    startedAt: clock.now(),
    specDigest: specDigest(input.spec),
    ...(secretFiles.length > 0 && { secretFiles }),
  };
  records.write(record);
  try {
    faults.reached('create.recorded');
    ensureRelayDirectory(paths, number, uids);
    faults.reached('create.directory');
    const settle = await startRelay({
      relay,
      listen: () => proxy.listen().then(() => faults.reached('create.listening')),
      socketPath: places.relaySocket,
      logFile: `${paths.logDir}/relay-${number}.log`,
      outputFile: paths.outputLog(number),
      plan,
      sandboxGroup: sandboxGroupOf(tree, number, limits),
      prepare: () => {
        ensurePrincipalDirectories(paths, number, uids);
        ensureWorkspace(paths, input.principal, number, uids);
        planned.makePlaces();
      },
      furnish: async () => {
        placePayloadFiles(places.agentDirectory, input.spec);
        planned.writeDown();
        await furnishSecrets(deps, start);
      },
      clock,
      faults,
      onRunning: start.onRunning,
    });
    // The payload runs: what it asks meanwhile its proxy answers when it has its keys. The processors are its own for a moment.
    started(true);
    await start.quiet.wait(start.hurry);
    start.cancel?.throwIfAborted();
    await Promise.all([bringUp(proxy), settle().then(() => faults.reached('create.settled'))]);
    faults.reached('create.served');
    placeSocketLink(paths, input.principal, places.proxySocket);
    faults.reached('create.linked');
  } catch (error) {
    await clearRemains(deps, records, { principal: input.principal, number, proxy, relays, withRecord: true });
    throw error;
  }
  deps.logger.info({ principal: input.principal, number, id: input.id, milliseconds: faults.milliseconds }, 'sandbox created');
  return record;
}

/** What a call to a service manager that is being replaced throws, or to one whose launcher is. */
const MANAGER_AWAY: readonly string[] = ['leaving', 'connection_lost', 'connection_refused', 'start_cancelled'];

/**
 * The payload runs: only what its proxy or its bundle says may end it. A service manager that is being replaced is asked again until there is a proxy, by
 * the next launcher if this one leaves too.
 */
async function bringUp(proxy: ProxyLink): Promise<void> {
  try {
    await proxy.bringUp();
  } catch (error) {
    if (!MANAGER_AWAY.some((code) => hasCode(error, code))) throw error;
    proxy.keepUp().catch(() => undefined);
  }
}

/** The secrets that the judged spec asks for as files, and no other. */
async function furnishSecrets({ credentials, paths, uids }: LauncherDeps, { input, number }: SandboxStart): Promise<void> {
  const { agentDirectory } = paths.principal(number);
  removeSecretFiles(agentDirectory);
  const { secretFiles = [] } = input.spec;
  if (secretFiles.length === 0) return;
  const opened = await credentials.open(input.principal, number);
  using _secrets = opened.secrets;
  placeSecretFiles(agentDirectory, secretFiles, opened, uids.payload(number));
}

/** What the bundle says, that of this request or else the last accepted one. */
async function headerOf(credentials: LauncherCredentials, { principal, bundle }: CreateInput, number: number): Promise<BundleHeader> {
  if (bundle !== undefined) return credentials.accept(principal, number, bundle);
  const opened = await credentials.open(principal, number);
  opened.secrets[Symbol.dispose]();
  return opened.header;
}
