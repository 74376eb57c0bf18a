// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import {
  DEFAULT_AUTHORIZATION,
  type AuthorizationList,
  type ExitReport,
  type InputOf,
  type OutputOf,
  type SandboxInfo,
  type launcherContract,
} from '@bureau/protocol';
import type { Chance } from './chance.ts';
import { judgeFake } from './fake-bundle.ts';
import type { FakeMachine, Payload } from './fake-machine.ts';
import type { Mutation, Weather } from './faults.ts';
import type { LauncherDisk, SandboxRecord } from './launcher-disk.ts';
import type { Life } from './life.ts';
import type { SimulatedTime } from './simulated-time.ts';

export interface FakeLauncherDeps {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  readonly life: Life;
  readonly machine: FakeMachine;
  readonly disk: LauncherDisk;
  readonly weather: Weather;
  readonly now: () => number;
  readonly mutations: ReadonlySet<Mutation>;
}

type Launched = SandboxRecord & { readonly state: SandboxInfo['state'] };
type Input<M extends keyof typeof launcherContract.methods> = InputOf<typeof launcherContract, M>;
type Output<M extends keyof typeof launcherContract.methods> = OutputOf<typeof launcherContract, M>;

/** Milliseconds of a step of work: usually, and at most. */
const WORK = [40, 1_500] as const;
const GRACE = [100, 4_000] as const;

/**
 * One life of a launcher that keeps the contract of the real one (`LAUNCHER_COMPLIANCE` holds both to it) and whose sandboxes are the
 * fake machine's payloads.
 */
export class FakeLauncher {
  readonly #deps: FakeLauncherDeps;
  readonly #sandboxes = new Map<PrincipalName, Launched>();
  readonly #turns = new Map<PrincipalName, Promise<unknown>>();
  readonly #ends = new Map<PrincipalName, ((exit: ExitReport) => void)[]>();
  /** Told each change, as the watch of the contract is. */
  readonly watchers = new Set<(info: SandboxInfo) => void>();

  /** Finds what an earlier one left. */
  constructor(deps: FakeLauncherDeps) {
    this.#deps = deps;
    const { machine, disk, life, mutations } = deps;
    machine.onEnd = (payload, exit) => life.alive && this.#ended(payload, exit);
    if (mutations.has('a new launcher does not find what runs')) disk.records.clear();
    for (const record of disk.records.values()) this.#adopt(record);
    if (mutations.has('a new launcher does not find what runs')) return;
    for (const payload of machine.payloads)
      if (this.#sandboxes.get(payload.principal)?.id !== payload.id) machine.end(payload, { code: null, signal: 'KILL' });
  }

  get alive(): boolean {
    return this.#deps.life.alive;
  }

  status(): Output<'status'> {
    return { build: 'simulated', machine: 'machine/simulated', recipient: 'none', identityStore: 'file', sandboxes: 0, resources: [] };
  }

  /** `cancel`: as far as it has come by then it is taken away. */
  create({ principal, id, spec, bundle, authorization }: Input<'create'>, cancel: AbortSignal): Promise<SandboxInfo> {
    return this.#inTurn(principal, async () => {
      const { disk, machine, time } = this.#deps;
      cancel.throwIfAborted();
      await this.#work();
      this.#number(principal, bundle);
      if (authorization !== undefined) disk.authorizations.set(principal, authorization);
      const there = this.#sandboxes.get(principal);
      if (there?.id === id) {
        const live = machine.of(principal);
        if (live !== undefined && there.exit === undefined) {
          live.files = { payload: spec.payload, trigger: spec.trigger };
          if (bundle !== undefined) this.#accept(principal, bundle);
        }
        return this.#info(there);
      }
      if (there !== undefined && there.state !== 'exited')
        throw new BureauError('principal_busy', `"${principal}" already runs as sandbox ${there.id}; stop it first`);
      this.#drop(principal);
      if (bundle !== undefined) this.#accept(principal, bundle);
      else if (!disk.bundles.has(principal)) throw new BureauError('no_credentials', `Expected a bundle for "${principal}", found none`);
      const record = { principal, id, startedAt: this.#deps.now() };
      disk.records.set(principal, record);
      await this.#work();
      if (cancel.aborted || this.#fails()) {
        this.#drop(principal);
        cancel.throwIfAborted();
        throw new BureauError('start_failed', 'The sandbox did not start');
      }
      machine.dropReport(principal);
      const launched: Launched = { ...record, state: 'creating' };
      this.#sandboxes.set(principal, launched);
      const payload = machine.start(principal, id, spec);
      time.after(this.#deps.chance.delay(...WORK), () => {
        const now = this.#sandboxes.get(principal);
        if (this.alive && machine.payloads.includes(payload) && now === launched) this.#change({ ...now, state: 'running' });
      });
      this.#tell(launched);
      await this.#work();
      return this.#info(this.#sandboxes.get(principal) ?? launched);
    });
  }

  check({ principal, bundle }: Input<'check'>): Promise<Record<string, never>> {
    return this.#inTurn(principal, async () => {
      const { numbers, bundles } = this.#deps.disk;
      await this.#work();
      if (!numbers.has(principal)) throw new BureauError('not_found', `"${principal}" is not known on this machine`);
      if (bundle !== undefined) judgeFake(bundle, principal, bundles.get(principal));
      if (this.#fails()) throw new BureauError('spec_refused', 'The spec is not allowed here');
      return {};
    });
  }

  async destroy({ principal, id, graceMilliseconds }: Input<'destroy'>): Promise<ExitReport> {
    await this.#turns.get(principal)?.catch(() => undefined);
    const there = this.#find(principal, id);
    if (there.exit !== undefined) return there.exit;
    if (this.#fails()) throw new BureauError('group_unkillable', `Sandbox ${id} does not end`);
    const ended = this.#end(principal);
    if (there.state !== 'stopping') {
      this.#change({ ...there, state: 'stopping' });
      const { time, machine, chance } = this.#deps;
      const payload = machine.of(principal);
      time.after(Math.min(graceMilliseconds, chance.delay(...GRACE)), () => {
        if (this.alive && payload !== undefined) machine.end(payload, { code: null, signal: 'TERM', reason: 'stopped' });
      });
    }
    return ended;
  }

  async wait({ principal, id }: Input<'wait'>): Promise<ExitReport> {
    await this.#turns.get(principal)?.catch(() => undefined);
    return this.#find(principal, id).exit ?? this.#end(principal);
  }

  async signal({ principal, id }: Input<'signal'>): Promise<Record<string, never>> {
    this.#live(principal, id);
    return {};
  }

  updatePayload({ principal, id, payload, trigger }: Input<'updatePayload'>): Promise<Record<string, never>> {
    return this.#inTurn(principal, async () => {
      await this.#work();
      this.#live(principal, id).files = { payload, trigger };
      return {};
    });
  }

  async forget({ principal, id }: Input<'forget'>): Promise<Record<string, never>> {
    if (this.#find(principal, id).state !== 'exited')
      throw new BureauError('principal_busy', `"${principal}" still runs; stop it before it can be forgotten`);
    this.#drop(principal);
    return {};
  }

  list(): Output<'list'> {
    const all = [...this.#sandboxes.values()];
    const told = this.#deps.mutations.has('ended sandboxes are not listed, and the disk forgets')
      ? all.filter(({ state }) => state !== 'exited')
      : all;
    return { sandboxes: told.map((each) => this.#info(each)) };
  }

  authorize({ principal, authorization }: Input<'authorize'>): Promise<Record<string, never>> {
    return this.#inTurn(principal, async () => {
      const { numbers, authorizations } = this.#deps.disk;
      if (!numbers.has(principal)) throw new BureauError('not_found', `"${principal}" is not known on this machine`);
      await this.#work();
      authorizations.set(principal, authorization);
      return {};
    });
  }

  rotate({ principal, bundle }: Input<'rotate'>): Promise<Output<'rotate'>> {
    return this.#inTurn(principal, async () => {
      this.#number(principal, bundle);
      await this.#work();
      if (this.#fails()) throw new BureauError('connection_refused', 'The proxy does not answer');
      this.#accept(principal, bundle);
      return { digest: '0'.repeat(64) };
    });
  }

  /** Grants and denials that are in force for a principal. */
  authorizationOf(principal: PrincipalName): AuthorizationList {
    return this.#deps.disk.authorizations.get(principal) ?? DEFAULT_AUTHORIZATION;
  }

  /** One operation at a time for each principal. */
  #inTurn<Result>(principal: PrincipalName, task: () => Promise<Result>): Promise<Result> {
    const mine = (this.#turns.get(principal) ?? Promise.resolve()).then(task, task);
    this.#turns.set(principal, mine);
    return mine;
  }

  #work(): Promise<void> {
    const { time, chance, life } = this.#deps;
    return new Promise((resolve) => time.after(chance.delay(...WORK), () => life.alive && resolve()));
  }

  #fails(): boolean {
    return this.#deps.chance.happens(this.#deps.weather.launcherFails);
  }

  #adopt(record: SandboxRecord): void {
    const { machine, disk } = this.#deps;
    const { principal, id } = record;
    const exit = record.exit ?? machine.report(principal, id);
    if (exit !== undefined) {
      disk.records.set(principal, { ...record, exit });
      this.#sandboxes.set(principal, { ...record, exit, state: 'exited' });
    } else if (machine.payloads.some((payload) => payload.principal === principal && payload.id === id)) {
      this.#sandboxes.set(principal, { ...record, state: 'running' });
    } else {
      disk.records.delete(principal);
    }
  }

  #ended({ principal, id }: Payload, exit: ExitReport): void {
    const there = this.#sandboxes.get(principal);
    if (there?.id !== id) return;
    const { state: _state, ...record } = { ...there, exit };
    this.#deps.disk.records.set(principal, record);
    this.#change({ ...there, exit, state: 'exited' });
    for (const resolve of this.#ends.get(principal) ?? []) resolve(exit);
    this.#ends.delete(principal);
  }

  #end(principal: PrincipalName): Promise<ExitReport> {
    return new Promise((resolve) => this.#ends.set(principal, [...(this.#ends.get(principal) ?? []), resolve]));
  }

  #change(launched: Launched): void {
    this.#sandboxes.set(launched.principal, launched);
    this.#tell(launched);
  }

  #tell(launched: Launched): void {
    if (launched.state === 'exited' && this.#deps.mutations.has('the watch does not tell ends')) return;
    for (const watcher of this.watchers) watcher(this.#info(launched));
  }

  #info({ principal, id, startedAt, state, exit }: Launched): SandboxInfo {
    const number = this.#deps.disk.numbers.get(principal) ?? 0;
    const relaySocket = `/run/bureau/.p/${number}/relay/relay.sock`;
    return { principal, number, id, state, startedAt, ...(exit === undefined ? {} : { exit }), proxyRestarts: 0, relaySocket };
  }

  #find(principal: PrincipalName, id: string): Launched {
    const there = this.#sandboxes.get(principal);
    if (there?.id === id) return there;
    throw new BureauError('not_found', `"${principal}" has no sandbox ${id} on this machine`);
  }

  #live(principal: PrincipalName, id: string): Payload {
    this.#find(principal, id);
    const payload = this.#deps.machine.of(principal);
    if (payload?.id === id) return payload;
    throw new BureauError('not_running', `Sandbox ${id} of "${principal}" has ended`);
  }

  /** A number for life, only for a name that a bundle speaks for. */
  #number(principal: PrincipalName, bundle: Uint8Array | undefined): void {
    const { numbers } = this.#deps.disk;
    if (numbers.has(principal)) return;
    if (bundle === undefined) throw new BureauError('no_credentials', `Expected a bundle for "${principal}", found none`);
    judgeFake(bundle, principal, undefined);
    numbers.set(principal, numbers.size);
  }

  #accept(principal: PrincipalName, bundle: Uint8Array): void {
    const { bundles } = this.#deps.disk;
    bundles.set(principal, judgeFake(bundle, principal, bundles.get(principal)));
  }

  #drop(principal: PrincipalName): void {
    this.#deps.disk.records.delete(principal);
    this.#sandboxes.delete(principal);
  }
}
