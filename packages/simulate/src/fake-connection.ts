// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName, type Timer } from '@bureau/core';
import type { CallInput, IpcStream, RequestOptions } from '@bureau/ipc';
import { launcherContract, type CallName, type ChunkOf, type OutputOf, type SandboxInfo, type StreamName } from '@bureau/protocol';
import type { LauncherConnection } from '@bureau/reconcile';
import * as v from 'valibot';
import type { Chance } from './chance.ts';
import { readFake, sealFake } from './fake-bundle.ts';
import type { FakeLauncher } from './fake-launcher.ts';
import { FakeStream } from './fake-stream.ts';
import type { Mutation, Weather } from './faults.ts';
import type { Judge } from './judge.ts';
import type { Life } from './life.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** What a call has for an answer when nothing else was said. */
const DEADLINE = 30_000;
/** Milliseconds on the way: usually, and at most. */
const WAY = [3, 400] as const;

export interface FakeConnectionDeps {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  readonly judge: Judge;
  readonly weather: Weather;
  readonly mutations: ReadonlySet<Mutation>;
  /** Told each order to end a sandbox. */
  readonly onDestroy: (principal: PrincipalName, id: string) => void;
  readonly launcher: FakeLauncher;
  /** The one that called. */
  readonly life: Life;
}

/** One connection to a launcher. Requests and replies take their time, and some are never heard of again. */
export class FakeConnection implements LauncherConnection {
  readonly #deps: FakeConnectionDeps;
  readonly #pending = new Set<(error: BureauError) => void>();
  /** Requests that have not arrived. */
  readonly #onTheWay = new Set<() => void>();
  #lastArrival = 0;
  #lost: BureauError | undefined;

  constructor(deps: FakeConnectionDeps) {
    this.#deps = deps;
  }

  call<M extends CallName<typeof launcherContract>>(
    method: M,
    input: CallInput<typeof launcherContract, M>,
    { deadlineMilliseconds = DEADLINE, signal }: RequestOptions = {},
  ): Promise<OutputOf<typeof launcherContract, M>> {
    const { life, time, chance } = this.#deps;
    if (!life.acts()) return new Promise(() => undefined);
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const sent = this.#onWire(method, v.parse(launcherContract.methods[method].input, input) as Record<string, unknown>);
    return new Promise((resolve, reject) => {
      const settle = (tell: () => void): void => {
        if (!this.#pending.delete(fail)) return;
        deadline.clear();
        if (life.alive) tell();
      };
      const fail = (error: BureauError): void => settle(() => reject(error));
      const deadline: Timer = time.after(deadlineMilliseconds, () =>
        fail(new BureauError('deadline_exceeded', `${method} had no answer within ${deadlineMilliseconds} ms.`)),
      );
      this.#pending.add(fail);
      const cancel = new AbortController();
      signal?.addEventListener('abort', () => {
        if (!life.acts() || !this.#pending.has(fail)) return;
        fail(new BureauError('cancelled', `${method} was cancelled by its caller.`));
        this.#send(() => cancel.abort(new BureauError('cancelled', `${method} was cancelled by its caller.`)));
      });
      const answered = (tell: () => void): void => {
        // What stalls was done; nobody hears of it in time.
        if (chance.happens(this.#deps.weather.repliesStall)) return;
        time.after(chance.delay(...WAY), () => settle(tell));
      };
      this.#send(() => {
        void this.#ask(method, sent, cancel.signal).then(
          (output) => answered(() => resolve(output as OutputOf<typeof launcherContract, M>)),
          (error: unknown) => answered(() => reject(error)),
        );
      });
    });
  }

  /** Carries a request to the launcher, if there is still one when it arrives. */
  #send(request: () => void): void {
    const { time, chance, launcher } = this.#deps;
    const arrive = (): void => {
      if (!this.#onTheWay.delete(arrive)) return;
      if (launcher.alive) request();
    };
    this.#onTheWay.add(arrive);
    // One connection keeps its order.
    this.#lastArrival = Math.max(this.#lastArrival, time.now + chance.delay(...WAY));
    time.after(this.#lastArrival - time.now, arrive);
  }

  stream<M extends StreamName<typeof launcherContract>>(
    _method: M,
  ): IpcStream<ChunkOf<typeof launcherContract, M>, OutputOf<typeof launcherContract, M>> {
    const { launcher, time, chance, life, weather } = this.#deps;
    const waiting = new Map(launcher.list().sandboxes.map((info) => [`${info.principal} ${info.id}`, info]));
    let isOnItsWay = false;
    const stop = (): void => {
      launcher.watchers.delete(tell);
      this.#pending.delete(fail);
    };
    const stream = new FakeStream<SandboxInfo>(stop);
    const fail = (error: BureauError): void => {
      stop();
      if (life.alive) stream.fail(error);
    };
    /** As the real one: what waits for a watcher is the newest state of each sandbox. */
    const deliver = (): void => {
      if (isOnItsWay || waiting.size === 0) return;
      isOnItsWay = true;
      time.after(chance.delay(...WAY), () => {
        isOnItsWay = false;
        const chunks = [...waiting.values()];
        waiting.clear();
        if (!life.alive || !this.#pending.has(fail)) return;
        for (const chunk of chunks) stream.push(chunk);
        if (chance.happens(weather.watchRepeats)) for (const chunk of chunks) stream.push(chunk);
        deliver();
      });
    };
    const tell = (info: SandboxInfo): void => {
      waiting.set(`${info.principal} ${info.id}`, info);
      deliver();
    };
    if (this.#lost === undefined) {
      this.#pending.add(fail);
      launcher.watchers.add(tell);
      deliver();
    } else {
      stream.fail(this.#lost);
    }
    return stream as unknown as IpcStream<ChunkOf<typeof launcherContract, M>, OutputOf<typeof launcherContract, M>>;
  }

  /** Ends it, from either end: what is on the way arrives before any later connection's, or never. What was asked goes on. */
  close(): void {
    if (this.#lost === undefined) for (const arrive of this.#onTheWay) if (this.#deps.chance.happens(0.5)) arrive();
    this.#onTheWay.clear();
    this.#lost ??= new BureauError('connection_lost', 'The connection is gone. Connect again.');
    for (const fail of [...this.#pending]) fail(this.#lost);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #ask(method: CallName<typeof launcherContract>, input: Record<string, unknown>, cancel: AbortSignal): Promise<unknown> {
    const { judge, launcher } = this.#deps;
    const { principal, bundle } = input as { principal?: PrincipalName; bundle?: Uint8Array };
    if (bundle !== undefined) {
      const owner = readFake(bundle)?.principal;
      if (owner !== principal) judge.violated('secrets in place', `the launcher was given the bundle of ${owner} for ${principal}`);
    }
    if (method !== 'list' && method !== 'status') judge.tell('launcher', `${method} ${principal} ${String(input['id'] ?? '').slice(-8)}`);
    if (method === 'destroy' && principal !== undefined) this.#deps.onDestroy(principal, String(input['id']));
    if (method === 'create') return launcher.create(input as Parameters<FakeLauncher['create']>[0], cancel);
    return (launcher[method] as (given: unknown) => unknown).call(launcher, input);
  }

  /** What a mutation makes of a request. */
  #onWire(method: string, input: Record<string, unknown>): Record<string, unknown> {
    const { mutations, chance } = this.#deps;
    const { bundle } = input;
    if (!(bundle instanceof Uint8Array)) return input;
    if (mutations.has('the launcher is given the bundle of another principal') && chance.happens(0.1))
      return { ...input, bundle: sealFake({ principal: 'iree/stranger', issue: 1, expired: false }) };
    if (mutations.has('a status quotes a bundle') && method === 'create' && chance.happens(0.3))
      throw new BureauError('start_failed', `Cannot start with ${Buffer.from(bundle).toString()}`);
    return input;
  }
}
