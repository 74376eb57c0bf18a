// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { HealthFinding, MachineStatusContent, PlannedAction, PrincipalStatus } from '@bureau/protocol';
import {
  LauncherLink,
  Reconciler,
  Runs,
  StatusPublisher,
  StatusReporter,
  countStates,
  type Facts,
  type HealthSubject,
  type MachineRules,
  type Notification,
} from '@bureau/reconcile';
import type { Chance } from './chance.ts';
import { quotesBundle } from './fake-bundle.ts';
import type { FakeHomeserver } from './fake-homeserver.ts';
import type { FakeMachine } from './fake-machine.ts';
import { fakeMemoryStore, type MemoryDisk } from './fake-memory.ts';
import type { FakeSocket } from './fake-socket.ts';
import { FakeSync, type SyncDisk } from './fake-sync.ts';
import type { Mutation, Weather } from './faults.ts';
import type { Judge } from './judge.ts';
import { clockOf, type Life } from './life.ts';
import type { Quarantines } from './quarantines.ts';
import type { SimulatedTime } from './simulated-time.ts';

export interface SimulatedDaemonDeps {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  readonly judge: Judge;
  readonly weather: Weather;
  readonly mutations: ReadonlySet<Mutation>;
  readonly server: FakeHomeserver;
  readonly socket: FakeSocket;
  readonly machine: FakeMachine;
  readonly quarantines: Quarantines;
  readonly memory: MemoryDisk;
  readonly syncDisk: SyncDisk;
  /** What the wall clock is off. */
  readonly wall: () => number;
}

/** One life of the daemon: its own link, reconciler and reporter, as `apps/daemon` connects them, among fakes. */
export class SimulatedDaemon {
  readonly #reconciler: Reconciler;
  readonly life: Life;

  constructor(deps: SimulatedDaemonDeps, life: Life) {
    const { time, chance, judge, weather, mutations, server, socket } = deps;
    this.life = life;
    const clock = clockOf(life, time, deps.wall);
    const logger = watchedLogger(judge);
    const link = new LauncherLink({ connect: () => socket.connect(life), clock, logger, onChange: () => reconciler.poke() });
    const sync = new FakeSync({
      time,
      chance: chance.of('sync'),
      judge,
      life,
      weather,
      server,
      disk: deps.syncDisk,
      onChange: () => reconciler.poke(),
    });
    const startedAt = clock.now();
    const reporter = new StatusReporter<MachineStatusContent>({
      clock,
      logger,
      publish: (content) => this.#publish(deps, 'machine', content),
    });
    const publisher = new StatusPublisher({
      clock,
      logger,
      publish: (principal, content) => this.#publish(deps, principal, content),
      published: () => new Map(sync.of('statuses').map(({ stateKey, content }) => [stateKey as PrincipalName, content])),
    });
    const reconciler = new Reconciler({
      clock,
      logger,
      launcher: link,
      runs: new Runs(),
      memory: fakeMemoryStore(deps.memory, life, weather, mutations),
      nextTurn: (task) => void time.after(0, () => life.alive && task()),
      confirm: async () => {
        if (!mutations.has('rooms that were read at an older position are believed')) await sync.confirm();
      },
      probe: (subject) => this.#probe(deps, subject),
      facts: () => mutated(sync.facts(), mutations, time.now),
      machine: () => (sync.of('machine')[0]?.content ?? { cordoned: false, draining: false }) as MachineRules,
      onStatuses: (statuses: readonly PrincipalStatus[]) => {
        deps.quarantines.update(statuses);
        publisher.report(mutations.has('a status leaves one principal out') ? statuses.slice(1) : statuses);
        reporter.report({ v: 2, build: 'simulated', startedAt, counts: countStates(statuses) });
      },
      notify: (notification) => this.#notify(deps, notification),
    });
    this.#reconciler = reconciler;
    link.start();
    sync.start();
  }

  /** What it says of each principal. */
  get statuses(): readonly PrincipalStatus[] {
    return this.#reconciler.statuses;
  }

  /** Somebody with the right to stops a principal by a command, or lets it run again; nothing happens where that cannot be. */
  halt(principal: PrincipalName, isHalted: boolean): { readonly generation: number | undefined } | undefined {
    try {
      const generation = isHalted ? this.#reconciler.halt(principal, '@operator:simulated') : this.#reconciler.resume(principal);
      // Who died at it has not said that it was done.
      return this.life.alive ? { generation: generation ?? undefined } : undefined;
    } catch {
      return undefined;
    }
  }

  /** What it would do now. */
  preview(): PlannedAction[] {
    return this.#reconciler.preview();
  }

  /** As the outbox of the daemon's sync: what it took is sent, by this daemon or the next, under one transaction. */
  async #notify(
    { time, chance, judge, weather, mutations, server, quarantines }: SimulatedDaemonDeps,
    { key, content }: Notification,
  ): Promise<void> {
    if (weather.diskFull) throw new Error('ENOSPC: no space left on device');
    if (!this.life.acts()) return new Promise(() => undefined);
    const transaction = mutations.has('people are told by each daemon anew') ? `${key} ${time.now}` : key;
    const send = (): void => {
      if (weather.homeserverDown) return void time.after(1_000, send);
      if (server.messages.has(transaction)) return;
      judge.tell('room', content.body);
      if (quotesBundle(content.body)) judge.violated('secrets in place', 'a notification quotes a bundle');
      server.messages.set(transaction, content);
      quarantines.tell(content);
    };
    time.after(chance.delay(50, 1_000), send);
  }

  #probe({ time, chance, machine, mutations, weather }: SimulatedDaemonDeps, { principal, id }: HealthSubject): Promise<HealthFinding> {
    if (!this.life.acts() || mutations.has('nobody is asked how they are')) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      time.after(chance.delay(20, 900), () => {
        if (!this.life.alive) return;
        const isLost = chance.happens(weather.probesLost);
        const isWell = isLost ? undefined : machine.isWell(principal, id);
        if (isWell === true || (isWell === false && mutations.has('agents that are not well say that they are')))
          return resolve({ healthy: true });
        if (isWell === false || mutations.has('a health check that could not be made counts as failed'))
          return resolve({ healthy: false, reason: 'it says that it is not well' });
        reject(new BureauError('connection_lost', 'The relay does not answer'));
      });
    });
  }

  #publish({ time, chance, judge, weather, server }: SimulatedDaemonDeps, key: string, content: object): Promise<void> {
    if (!this.life.acts()) return new Promise(() => undefined);
    if (quotesBundle(JSON.stringify(content))) judge.violated('secrets in place', `the machine publishes bytes of a bundle: ${key}`);
    return new Promise((resolve, reject) => {
      const answered = (tell: () => void): void => void time.after(chance.delay(50, 1_000), () => this.life.alive && tell());
      time.after(chance.delay(50, 1_000), () => {
        const unreachable = new BureauError('homeserver_unreachable', 'The homeserver does not answer');
        if (weather.homeserverDown) return answered(() => reject(unreachable));
        server.set('statuses', key, content);
        const isLost = chance.happens(weather.answersLost);
        answered(() => (isLost ? reject(unreachable) : resolve()));
      });
    });
  }
}

/** A logger that writes into the history, and reads what it is given. */
function watchedLogger(judge: Judge): Logger {
  const write = (fields: object | string, message = ''): void => {
    const text = typeof fields === 'string' ? fields : `${message} ${JSON.stringify(fields)}`;
    if (quotesBundle(text)) judge.violated('secrets in place', 'a log quotes a bundle');
    judge.tell('daemon', text);
  };
  const logger: Logger = {
    level: 'trace',
    trace: write,
    debug: write,
    info: write,
    warn: write,
    error: write,
    fatal: write,
    child: () => logger,
    isLevelEnabled: () => true,
  };
  return logger;
}

/** What mutations make of the rooms. */
function mutated(facts: Facts | undefined, mutations: ReadonlySet<Mutation>, now: number): Facts | undefined {
  if (facts === undefined) return undefined;
  if (mutations.has('an assignment that says "stopped" is read as "running"')) {
    const assignments = facts.assignments.map((fact) => ({ ...fact, content: withoutStop(fact.content) }));
    return { ...facts, assignments };
  }
  if (mutations.has('each reading of the rooms has new event ids')) {
    const credentials = facts.credentials.map((fact) => ({
      ...fact,
      eventId: `${fact.eventId}-${now}`,
      content: { ...(fact.content as object) },
    }));
    return { ...facts, credentials };
  }
  return facts;
}

function withoutStop(content: unknown): unknown {
  if (typeof content !== 'object' || content === null) return content;
  const { desired: _desired, ...rest } = content as { desired?: unknown };
  return rest;
}
