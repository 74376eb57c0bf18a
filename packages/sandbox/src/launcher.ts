// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, type PrincipalName } from '@bureau/core';
import type { WarmPool } from '@bureau/process';
import type { AuthorizationList, ExitReport, SandboxInfo, SignalName } from '@bureau/protocol';
import { AuthorizationRecords } from './authorization-records.ts';
import { adoptSandbox, type Found } from './launcher-adopt.ts';
import { checkSandbox, type CheckInput } from './launcher-check.ts';
import { startSandbox } from './launcher-create.ts';
import type { CreateInput, LauncherDeps } from './launcher-deps.ts';
import { ProxyLink } from './lifecycle-proxy.ts';
import { LiveSandbox } from './lifecycle-sandbox.ts';
import { SandboxWatchers } from './lifecycle-watchers.ts';
import { placePayloadFiles, type PayloadFiles } from './payload-files.ts';
import { readPolicy } from './policy-file.ts';
import { PrincipalTurns } from './principal-turns.ts';
import { QuietMoment } from './quiet-moment.ts';
import { RelayGroups } from './relay-groups.ts';
import { relayPool } from './relay-pool.ts';
import { demandRotation, secretFilesAfter } from './rotation.ts';
import { endStrays, sandboxGroupOf } from './sandbox-remains.ts';
import { renewSecretFiles } from './secret-files.ts';
import { StandLink } from './stand-link.ts';
import { SandboxRecords, type SandboxRecord } from './state-record.ts';

/**
 * Creates, stops, lists and finds again the sandboxes of one instance. One operation at a time for each principal, any number in
 * parallel for different ones; what waits for a sandbox's end waits in no queue.
 */
export class Launcher {
  readonly #deps: LauncherDeps;
  readonly #records: SandboxRecords;
  readonly #authorizations: AuthorizationRecords;
  readonly #live = new Map<number, LiveSandbox>();
  readonly #ended = new Map<number, SandboxRecord>();
  readonly #turns = new PrincipalTurns();
  readonly #watchers = new SandboxWatchers();
  readonly #relays: WarmPool;
  readonly #relayGroups: RelayGroups;
  readonly #stand: StandLink;
  readonly #quiet: QuietMoment;
  /** Of the starts that are under way: aborted when their end is asked for. */
  readonly #hurries = new Map<PrincipalName, AbortController>();

  constructor(deps: LauncherDeps) {
    this.#deps = deps;
    this.#records = new SandboxRecords(deps.paths.launcherStateDirectory);
    this.#authorizations = new AuthorizationRecords(deps.paths.launcherStateDirectory, (number, error) =>
      deps.logger.error({ number, error: describeError(error) }, 'list of grants cannot be read; this principal is granted nothing'),
    );
    const numbers = deps.numbers.all().map(({ number }) => number);
    this.#relayGroups = new RelayGroups(deps.tree, deps.uids, numbers, deps.clock);
    this.#quiet = new QuietMoment(deps.clock);
    this.#relays = relayPool(deps, this.#quiet);
    this.#stand = new StandLink({ clock: deps.clock, build: deps.build, standSocket: deps.paths.standSocket });
  }

  /**
   * Finds everything that an earlier launcher left, from its records, from cgroups and directories, before the first operation; resolves
   * when all proxies serve again or are being tried again, and what nobody can account for has ended. Never rejects.
   */
  async adopt(): Promise<void> {
    // Held from the start on: a service manager that is not there yet is met by the first call.
    this.#stand.open().catch(() => undefined);
    const known = this.#deps.numbers.all();
    const adopted = known.map(({ principal, number }) => this.#adoptOne(principal, number));
    await Promise.all([...adopted, endStrays(this.#deps, new Set(known.map(({ number }) => number)))]);
    await this.#relays
      .clear(this.#relayGroups.paths)
      .catch((error: unknown) => this.#deps.logger.error({ error: describeError(error) }, 'old relays were not ended'));
    await this.#relays.fill();
  }

  /** See `launcherContract.create`. `cancel`: nobody wants it any more; what was made of it by then is taken away. */
  create(input: CreateInput, cancel?: AbortSignal): Promise<SandboxInfo> {
    return this.#turns.run(input.principal, async () => {
      cancel?.throwIfAborted();
      const number = await this.#numbered(input.principal, input.bundle);
      this.#deps.faults.reached('create.numbered');
      const there = this.#find(number);
      const told = input.authorization !== undefined && this.#authorizations.keep(number, input.authorization);
      if (there?.id === input.id) {
        await this.#tellAgain(input, number, told);
        return there;
      }
      if (there !== undefined && there.state !== 'exited') {
        throw new BureauError('principal_busy', `"${input.principal}" already runs as sandbox ${there.id}; stop it first`, {
          data: { principal: input.principal, id: there.id },
        });
      }
      // Its record on disk gives way to that of this one, which is a file less to remove before the start.
      this.#ended.delete(number);
      return this.#start(input, number, cancel);
    });
  }

  /** See `launcherContract.check`. */
  check(input: CheckInput): Promise<void> {
    return this.#turns.run(input.principal, async () => {
      const number = this.#deps.numbers.find(input.principal);
      if (number === undefined)
        throw new BureauError('not_found', `"${input.principal}" is not known on this machine`, { data: { principal: input.principal } });
      await checkSandbox(this.#deps, input, number);
    });
  }

  /** See `launcherContract.destroy`. One that is being created is stopped once it stands. */
  async destroy(principal: PrincipalName, id: string, graceMilliseconds: number): Promise<ExitReport> {
    this.#hurries.get(principal)?.abort();
    await this.#turns.settled(principal);
    const number = this.#numberOf(principal, id);
    const live = this.#live.get(number);
    if (live !== undefined) return live.stop(graceMilliseconds);
    return this.#ended.get(number)?.exit ?? { code: null, signal: null, reason: 'relay_lost' };
  }

  /** See `launcherContract.wait`. */
  async wait(principal: PrincipalName, id: string): Promise<ExitReport> {
    await this.#turns.settled(principal);
    const number = this.#numberOf(principal, id);
    const live = this.#live.get(number);
    if (live !== undefined) return live.ended;
    return this.#ended.get(number)?.exit ?? { code: null, signal: null, reason: 'relay_lost' };
  }

  /** See `launcherContract.signal`. */
  async signal(principal: PrincipalName, id: string, signal: SignalName): Promise<void> {
    await this.#liveOf(principal, id).signal(signal);
  }

  /** See `launcherContract.updatePayload`. */
  updatePayload(principal: PrincipalName, id: string, files: PayloadFiles): Promise<void> {
    return this.#turns.run(principal, async () => {
      const { number } = this.#liveOf(principal, id).info;
      placePayloadFiles(this.#deps.paths.principal(number).agentDirectory, files);
    });
  }

  /** See `launcherContract.forget`. */
  forget(principal: PrincipalName, id: string): void {
    const number = this.#numberOf(principal, id);
    if (this.#live.has(number))
      throw new BureauError('principal_busy', `"${principal}" still runs; stop it before it can be forgotten`, { data: { principal } });
    this.#forget(number);
    this.#deps.faults.reached('forget.removed');
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
    return this.#turns.run(principal, async () => {
      const number = await this.#numbered(principal, bundle);
      return { digest: await this.#feed(principal, number, bundle) };
    });
  }

  /** Keeps a principal's grants and denials, and tells its live proxy, if there is one. Throws `not_found` for one without a number. */
  authorize(principal: PrincipalName, list: AuthorizationList): Promise<void> {
    return this.#turns.run(principal, async () => {
      const number = this.#deps.numbers.find(principal);
      if (number === undefined) throw new BureauError('not_found', `"${principal}" is not known on this machine`, { data: { principal } });
      if (this.#authorizations.keep(number, list)) await this.#live.get(number)?.rotate();
    });
  }

  /** Lets go of everything without stopping it; the relays that wait end with us. */
  release(): void {
    for (const sandbox of this.#live.values()) sandbox.release();
    void this.#relays.close();
    void this.#stand.close();
  }

  /** Sets what is known before it returns its promise; that settles when the principal's proxy or end has been seen to. */
  #adoptOne(principal: PrincipalName, number: number): Promise<void> {
    const found: Found = {
      ended: (record) => void this.#ended.set(number, record),
      lives: (record) => this.#follow(record, 'running'),
      clear: (task) => this.#turns.run(principal, task),
      proxy: () => this.#proxyLink(principal, number),
      relays: this.#relayGroups,
    };
    return adoptSandbox(this.#deps, this.#records, { principal, number }, found);
  }

  async #start(input: CreateInput, number: number, cancel: AbortSignal | undefined): Promise<SandboxInfo> {
    const proxy = this.#proxyLink(input.principal, number);
    let sandbox: LiveSandbox | undefined;
    let runs = false;
    const onRunning = (): void => {
      runs = true;
      this.#deps.faults.reached('create.running');
      sandbox?.markRunning();
    };
    const hurry = new AbortController();
    this.#hurries.set(input.principal, hurry);
    const record = await startSandbox(this.#deps, {
      ...{ input, number, proxy, cancel, hurry: hurry.signal, onRunning },
      ...{ records: this.#records, pool: this.#relays, relays: this.#relayGroups, quiet: this.#quiet },
    })
      .catch((error: unknown) => {
        this.#removeRecord(number);
        throw error;
      })
      .finally(() => this.#hurries.delete(input.principal));
    sandbox = this.#follow(record, runs ? 'running' : 'creating', proxy);
    this.#watchers.tell(sandbox.info);
    return sandbox.info;
  }

  /** What a create that is asked for once more says of a sandbox that is there already: it may be newer than what was said before. */
  async #tellAgain({ principal, spec, bundle }: CreateInput, number: number, isOtherAuthorization: boolean): Promise<void> {
    const live = this.#live.get(number);
    if (live === undefined) return;
    placePayloadFiles(this.#deps.paths.principal(number).agentDirectory, spec);
    if (bundle !== undefined && !this.#deps.credentials.isKept(number, bundle)) await this.#feed(principal, number, bundle);
    else if (isOtherAuthorization) await live.rotate();
  }

  /** Accepts a bundle, and tells it to the live proxy and in the files of secrets; its digest. */
  async #feed(principal: PrincipalName, number: number, bundle: Uint8Array): Promise<string> {
    const { credentials, paths, uids, wall } = this.#deps;
    const live = this.#live.get(number);
    await credentials.accept(principal, number, bundle, (header) => live !== undefined && demandRotation(live.record, header));
    const opened = await credentials.open(principal, number);
    using _secrets = opened.secrets;
    if (live !== undefined) {
      const names = secretFilesAfter(live.record, opened.header, readPolicy(wall.policyFile));
      renewSecretFiles(paths.principal(number).agentDirectory, names, opened, uids.payload(number));
    }
    await live?.rotate();
    return opened.digest;
  }

  #follow(
    record: SandboxRecord,
    state: 'creating' | 'running',
    proxy: ProxyLink = this.#proxyLink(record.principal, record.number),
  ): LiveSandbox {
    const { number } = record;
    const { build, clock, faults, logger, paths, tree, uids } = this.#deps;
    const sandbox = new LiveSandbox(record, state, {
      clock,
      logger,
      build,
      paths,
      faults,
      records: this.#records,
      proxy,
      relayGroup: this.#relayGroups.of(number),
      sandboxGroup: sandboxGroupOf(tree, number),
      payloadUid: uids.payload(number),
      onChange: (info) => {
        if (info.state === 'exited') {
          this.#live.delete(number);
          this.#relayGroups.drop(number);
          this.#ended.set(number, { ...record, ...(info.exit === undefined ? {} : { exit: info.exit }) });
        }
        this.#watchers.tell(info);
      },
    });
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
      stand: this.#stand,
      adminSocket,
      proxyUid: uids.proxy(number),
      credentials,
      authorization: () => this.#authorizations.read(number),
      onRestart: () => {
        const live = this.#live.get(number);
        if (live !== undefined) this.#watchers.tell(live.info);
      },
    });
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

  #liveOf(principal: PrincipalName, id: string): LiveSandbox {
    const live = this.#live.get(this.#numberOf(principal, id));
    if (live !== undefined) return live;
    throw new BureauError('not_running', `Sandbox ${id} of "${principal}" has ended`, { data: { principal, id } });
  }

  /**
   * The number of a principal; a new one only for a name that an operator has signed a bundle for: numbers are for life, and a name
   * bars those above and below it, so that a stolen daemon could use all of them up.
   */
  async #numbered(principal: PrincipalName, bundle: Uint8Array | undefined): Promise<number> {
    const { credentials, numbers } = this.#deps;
    const known = numbers.find(principal);
    if (known !== undefined) return known;
    await credentials.judgeFirst(principal, bundle);
    return numbers.numberOf(principal);
  }

  #numberOf(principal: PrincipalName, id: string): number {
    const number = this.#deps.numbers.find(principal);
    if (number === undefined || this.#find(number)?.id !== id) {
      throw new BureauError('not_found', `"${principal}" has no sandbox ${id} on this machine`, { data: { principal, id } });
    }
    return number;
  }

  /** Of a start that failed, whose reason is told. */
  #removeRecord(number: number): void {
    try {
      this.#records.remove(number);
    } catch (error) {
      this.#deps.logger.error({ number, error: describeError(error) }, 'record of a failed start was not removed');
    }
  }

  #forget(number: number): void {
    this.#records.remove(number);
    this.#ended.delete(number);
  }
}
