// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from 'node:fs';
import { BureauError, describeError, type PrincipalName } from '@bureau/core';
import { ensurePrincipalDirectories, ensureWorkspace } from '@bureau/instance';
import { endGroup, type WarmPool } from '@bureau/process';
import type { ExitReport, SandboxInfo } from '@bureau/protocol';
import type { CreateInput, LauncherDeps } from './launcher-deps.ts';
import { planSandbox } from './launcher-wall.ts';
import { ProxyLink } from './lifecycle-proxy.ts';
import { relayPool } from './relay-pool.ts';
import { startRelay } from './lifecycle-relay.ts';
import { LiveSandbox, type LiveSandboxDeps } from './lifecycle-sandbox.ts';
import { SandboxWatchers } from './lifecycle-watchers.ts';
import { placeSocketLink, removeSocketLink } from './socket-link.ts';
import { SandboxRecords, type SandboxRecord } from './state-record.ts';

/**
 * Creates, stops, lists and finds again the sandboxes of one instance. One operation at a time for each principal, any number in
 * parallel for different ones.
 */
export class Launcher {
  readonly #deps: LauncherDeps;
  readonly #records: SandboxRecords;
  readonly #live = new Map<number, LiveSandbox>();
  readonly #ended = new Map<number, SandboxRecord>();
  readonly #turns = new Map<PrincipalName, Promise<unknown>>();
  readonly #watchers = new SandboxWatchers();
  readonly #relays: WarmPool;

  constructor(deps: LauncherDeps) {
    this.#deps = deps;
    this.#records = new SandboxRecords(deps.paths.launcherStateDirectory);
    this.#relays = relayPool(deps);
  }

  /**
   * Finds everything that an earlier launcher left, from its records and from cgroups, before the first operation; resolves when all
   * proxies serve again or are being tried again, and what nobody can account for has ended. Never rejects.
   */
  async adopt(): Promise<void> {
    const known = this.#deps.numbers.all();
    const adopted = known.map(({ principal, number }) => this.#adoptOne(principal, number));
    await Promise.all([...adopted, this.#endStrays(new Set(known.map(({ number }) => number)))]);
    await this.#relays
      .clear()
      .catch((error: unknown) => this.#deps.logger.error({ error: describeError(error) }, 'old relays were not ended'));
    await this.#relays.fill();
  }

  /** See `launcherContract.create`. */
  create(input: CreateInput): Promise<SandboxInfo> {
    return this.#turn(input.principal, async () => {
      const number = this.#deps.numbers.numberOf(input.principal);
      const there = this.#find(number);
      if (there?.id === input.id) return there;
      if (there !== undefined && there.state !== 'exited') {
        throw new BureauError('principal_busy', `"${input.principal}" already runs as sandbox ${there.id}; stop it first`, {
          data: { principal: input.principal, id: there.id },
        });
      }
      this.#forget(number);
      return this.#start(input, number);
    });
  }

  /** See `launcherContract.destroy`. */
  async destroy(principal: PrincipalName, id: string, graceMilliseconds: number): Promise<ExitReport> {
    const number = this.#numberOf(principal, id);
    const live = this.#live.get(number);
    if (live !== undefined) return live.stop(graceMilliseconds);
    return this.#ended.get(number)?.exit ?? { code: null, signal: null, reason: 'relay_lost' };
  }

  /** See `launcherContract.forget`. */
  forget(principal: PrincipalName, id: string): void {
    const number = this.#numberOf(principal, id);
    if (this.#live.has(number))
      throw new BureauError('principal_busy', `"${principal}" still runs; stop it before it can be forgotten`, { data: { principal } });
    this.#forget(number);
  }

  /** All sandboxes, ended ones that nobody has forgotten included. */
  list(): SandboxInfo[] {
    const numbers = new Set([...this.#live.keys(), ...this.#ended.keys()]);
    return [...numbers].flatMap((number) => this.#find(number) ?? []);
  }

  /** What is there now, then each change. */
  watch(signal: AbortSignal): AsyncGenerator<SandboxInfo, Record<string, never>> {
    return this.#watchers.watch(() => this.list(), signal);
  }

  /** Accepts a newer bundle and feeds the live proxy, if there is one. */
  rotate(principal: PrincipalName, bundle: Uint8Array): Promise<{ digest: string }> {
    return this.#turn(principal, async () => {
      const number = this.#deps.numbers.numberOf(principal);
      await this.#deps.credentials.accept(principal, number, bundle);
      const opened = await this.#deps.credentials.open(principal, number);
      opened.secrets[Symbol.dispose]();
      await this.#live.get(number)?.rotate();
      return { digest: opened.digest };
    });
  }

  /** Lets go of everything without stopping it; the relays that wait end with us. */
  release(): void {
    for (const sandbox of this.#live.values()) sandbox.release();
    void this.#relays.close();
  }

  /** Sets what is known before it returns its promise; that settles when the principal's proxy or end has been seen to. */
  #adoptOne(principal: PrincipalName, number: number): Promise<void> {
    const { tree, paths, logger } = this.#deps;
    const record = this.#readRecord(principal, number);
    if (record?.exit !== undefined) {
      this.#ended.set(number, record);
      return Promise.resolve();
    }
    const relayLives = tree.group(`relay-${number}`).populated();
    const nothing = record === undefined && !relayLives && !tree.group(`sandbox-${number}`).populated();
    if (nothing) return Promise.resolve();
    if (record === undefined || !(relayLives || existsSync(paths.principal(number).exitFile))) {
      // Ended with the whole stand or the machine (no relay, no report), or nobody can say which sandbox it is: as if not made.
      return this.#turn(principal, () => this.#clear(principal, number));
    }
    logger.info({ principal, id: record.id }, 'found again');
    const sandbox = this.#follow(record, 'running');
    if (!relayLives) return Promise.resolve();
    return sandbox.resume().catch((error: unknown) => {
      logger.error({ principal, error: describeError(error) }, 'proxy did not come back at once; trying again');
    });
  }

  /** `undefined` as well for a record that is malformed or another principal's: it is put aside, and stops nobody. */
  #readRecord(principal: PrincipalName, number: number): SandboxRecord | undefined {
    try {
      const record = this.#records.read(number);
      if (record === undefined || (record.principal === principal && record.number === number)) return record;
      throw new BureauError(
        'file_malformed',
        `Expected the record of "${principal}" (${number}), found that of "${record.principal}" (${record.number})`,
      );
    } catch (error) {
      this.#deps.logger.error({ principal, number, error: describeError(error) }, 'record put aside; ending what runs under this number');
      this.#records.setAside(number);
      return undefined;
    }
  }

  /** A number that is nobody's belongs to a list of principals that was lost: what runs under it has no name any more. */
  async #endStrays(known: ReadonlySet<number>): Promise<void> {
    const { tree, clock, logger } = this.#deps;
    const strays = tree
      .list()
      .filter((name) => /^(relay|sandbox)-[0-9]+$/.test(name) && !known.has(Number(name.slice(name.indexOf('-') + 1))));
    for (const name of strays) {
      logger.error({ group: name }, 'belongs to no principal; ending it');
      await endGroup(tree.group(name), 0, clock).catch((error: unknown) =>
        logger.error({ group: name, error: describeError(error) }, 'not ended'),
      );
    }
  }

  async #start(input: CreateInput, number: number): Promise<SandboxInfo> {
    const { clock, credentials, paths, uids } = this.#deps;
    if (input.bundle !== undefined) await credentials.accept(input.principal, number, input.bundle);
    const opened = await credentials.open(input.principal, number);
    opened.secrets[Symbol.dispose]();
    await this.#endGroups(number);
    // A report of the sandbox before must never pass for this one's.
    rmSync(paths.principal(number).exitDirectory, { recursive: true, force: true });
    ensurePrincipalDirectories(paths, number, uids);
    ensureWorkspace(paths, input.principal, number, uids);
    const { config, limits } = planSandbox(input, number, opened.header, this.#deps);

    const record: SandboxRecord = { v: 1, principal: input.principal, number, id: input.id, startedAt: clock.now() };
    this.#records.write(record);
    const proxy = this.#proxyLink(input.principal, number);
    const places = paths.principal(number);
    let sandbox: LiveSandbox | undefined;
    let runs = false;
    try {
      // Proxy and relay are a Node start each: side by side they cost one.
      const untilServed = proxy.bringUp().then(() => placeSocketLink(this.#deps.paths, input.principal, places.proxySocket));
      untilServed.catch(() => undefined);
      await startRelay({
        untilServed,
        pool: this.#relays,
        uid: uids.payload(number),
        socketPath: places.relaySocket,
        logFile: `${paths.logDir}/relay-${number}.log`,
        outputFile: paths.outputLog(number),
        config,
        relayGroup: this.#deps.tree.group(`relay-${number}`),
        sandboxGroup: this.#deps.tree.limited(`sandbox-${number}`, limits),
        clock,
        onRunning: () => {
          runs = true;
          sandbox?.markRunning();
        },
      });
    } catch (error) {
      await this.#clear(input.principal, number, proxy);
      throw error;
    }
    sandbox = this.#follow(record, runs ? 'running' : 'creating', proxy);
    this.#watchers.tell(sandbox.info);
    return sandbox.info;
  }

  #follow(
    record: SandboxRecord,
    state: 'creating' | 'running',
    proxy: ProxyLink = this.#proxyLink(record.principal, record.number),
  ): LiveSandbox {
    const { number } = record;
    const deps: LiveSandboxDeps = {
      clock: this.#deps.clock,
      logger: this.#deps.logger,
      build: this.#deps.build,
      paths: this.#deps.paths,
      records: this.#records,
      proxy,
      relayGroup: this.#deps.tree.group(`relay-${number}`),
      sandboxGroup: this.#deps.tree.limited(`sandbox-${number}`, {}),
      payloadUid: this.#deps.uids.payload(number),
      onChange: (info) => {
        if (info.state === 'exited') {
          this.#live.delete(number);
          this.#ended.set(number, { ...record, ...(info.exit === undefined ? {} : { exit: info.exit }) });
        }
        this.#watchers.tell(info);
      },
    };
    const sandbox = new LiveSandbox(record, state, deps);
    this.#live.set(number, sandbox);
    return sandbox;
  }

  #proxyLink(principal: PrincipalName, number: number): ProxyLink {
    const { clock, logger, build, paths, uids, credentials } = this.#deps;
    const { adminSocket } = paths.principal(number);
    return new ProxyLink(principal, number, {
      clock,
      logger,
      build,
      standSocket: paths.standSocket,
      adminSocket,
      proxyUid: uids.proxy(number),
      credentials,
      onRestart: () => {
        const live = this.#live.get(number);
        if (live !== undefined) this.#watchers.tell(live.info);
      },
    });
  }

  /**
   * Ends and removes everything of a number, its record last, so that a crash between is followed by another try. Never rejects:
   * what could not be removed is told, and met again by the next start.
   */
  async #clear(principal: PrincipalName, number: number, proxy: ProxyLink = this.#proxyLink(principal, number)): Promise<void> {
    const { logger, paths, tree } = this.#deps;
    try {
      await this.#endGroups(number);
      await proxy.close().catch((error: unknown) => logger.warn({ principal, error: describeError(error) }, 'proxy was not stopped'));
      removeSocketLink(paths, principal);
      rmSync(paths.principal(number).directory, { recursive: true, force: true });
      for (const name of [`relay-${number}`, `sandbox-${number}`]) tree.limited(name, {}).remove();
      this.#records.remove(number);
    } catch (error) {
      logger.error({ principal, number, error: describeError(error) }, 'not everything of it was removed');
    }
  }

  /** Nothing of an earlier sandbox may live beside a new one. Throws `group_unkillable`. */
  async #endGroups(number: number): Promise<void> {
    for (const name of [`relay-${number}`, `sandbox-${number}`]) await endGroup(this.#deps.tree.group(name), 0, this.#deps.clock);
  }

  #find(number: number): SandboxInfo | undefined {
    const live = this.#live.get(number);
    if (live !== undefined) return live.info;
    const record = this.#ended.get(number);
    if (record === undefined) return undefined;
    const { principal, id, startedAt, exit } = record;
    const relaySocket = this.#deps.paths.principal(number).relaySocket;
    return { principal, number, id, startedAt, state: 'exited', ...(exit === undefined ? {} : { exit }), proxyRestarts: 0, relaySocket };
  }

  #numberOf(principal: PrincipalName, id: string): number {
    const number = this.#deps.numbers.find(principal);
    if (number === undefined || this.#find(number)?.id !== id) {
      throw new BureauError('not_found', `"${principal}" has no sandbox ${id} on this machine`, { data: { principal, id } });
    }
    return number;
  }

  #forget(number: number): void {
    this.#records.remove(number);
    this.#ended.delete(number);
  }

  /** Runs `task` after what is under way for this principal. */
  #turn<Result>(principal: PrincipalName, task: () => Promise<Result>): Promise<Result> {
    const earlier = this.#turns.get(principal) ?? Promise.resolve();
    const mine = earlier.then(task, task);
    this.#turns.set(principal, mine);
    void mine
      .catch(() => undefined)
      .finally(() => {
        if (this.#turns.get(principal) === mine) this.#turns.delete(principal);
      });
    return mine;
  }
}
