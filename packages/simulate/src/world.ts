// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import { Chance } from './chance.ts';
import { CompletedJobs } from './completed-jobs.ts';
import { FakeHomeserver } from './fake-homeserver.ts';
import { FakeLauncher } from './fake-launcher.ts';
import { FakeMachine } from './fake-machine.ts';
import type { MemoryDisk } from './fake-memory.ts';
import { FakeSocket } from './fake-socket.ts';
import type { SyncDisk } from './fake-sync.ts';
import { calm, type Mutation, type Weather } from './faults.ts';
import { Judge } from './judge.ts';
import { LauncherDisk } from './launcher-disk.ts';
import { Life, wallClock } from './life.ts';
import { judgeEnd } from './needless-ends.ts';
import { Operators } from './operators.ts';
import { Quarantines } from './quarantines.ts';
import { SimulatedDaemon } from './simulated-daemon.ts';
import { SimulatedTime } from './simulated-time.ts';

/** One machine with its homeserver and its operators. Processes that die are started again, as the service manager does. */
export class World {
  readonly time = new SimulatedTime();
  readonly judge = new Judge(this.time);
  readonly weather: Weather = calm();
  readonly server = new FakeHomeserver(this.time);
  readonly operators = new Operators(this.server);
  readonly quarantines = new Quarantines(this.judge);
  readonly jobs = new CompletedJobs(this.judge);
  readonly machine = new FakeMachine(this.time, this.judge, this.jobs);
  readonly launcherDisk = new LauncherDisk();
  readonly #memory: MemoryDisk = new Map();
  readonly #syncDisk: SyncDisk = { kept: [] };
  readonly #chance: Chance;
  readonly #mutations: ReadonlySet<Mutation>;
  readonly #socket: FakeSocket;
  #wall = 0;
  #daemon: SimulatedDaemon | undefined;
  #launcher: { readonly life: Life; readonly process: FakeLauncher } | undefined;

  constructor(seed: number, mutations: ReadonlySet<Mutation>) {
    this.#chance = new Chance(seed, 'world');
    this.#mutations = mutations;
    const { time, judge, weather } = this;
    this.#socket = new FakeSocket({
      time,
      judge,
      weather,
      mutations,
      chance: this.#chance.of('socket'),
      onDestroy: (principal, id) => judgeEnd(this, principal, id),
    });
    this.operators.publishTemplate();
    this.#startLauncher();
    this.#startDaemon();
  }

  get daemon(): SimulatedDaemon | undefined {
    return this.#daemon;
  }

  get launcher(): FakeLauncher | undefined {
    return this.#launcher?.process;
  }

  remove(principal: PrincipalName): void {
    this.operators.remove(principal);
    this.jobs.removed(principal);
  }

  /** By a command in the room; see `SimulatedDaemon.halt`. */
  halt(principal: PrincipalName, isHalted: boolean): void {
    const done = this.#daemon?.halt(principal, isHalted);
    if (done !== undefined) this.operators.noteHalt(principal, done.generation);
  }

  killLauncher(): void {
    this.#launcher?.life.end();
  }

  /** The machine loses its power: everything that is not on disk is gone. */
  powerCut(): void {
    this.judge.tell('machine', 'power cut');
    this.#launcher?.life.end();
    this.#daemon?.life.end();
    this.jobs.powerCut(this.launcherDisk);
    this.machine.powerCut();
  }

  loseConnections(): void {
    this.#socket.lose();
  }

  /** The wall clock is set to another time. */
  jumpClock(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  #startLauncher(): void {
    const life = new Life(() => {
      this.judge.tell('launcher', 'is killed');
      this.#launcher = undefined;
      this.#socket.launcher = undefined;
      this.#socket.lose();
      this.time.after(this.#chance.delay(500, 5_000), () => this.#startLauncher());
    });
    const { time, machine, weather } = this;
    const process = new FakeLauncher({
      time,
      machine,
      weather,
      life,
      chance: this.#chance.of(`launcher ${time.now}`),
      disk: this.launcherDisk,
      now: () => wallClock(time, this.#wall),
      mutations: this.#mutations,
    });
    this.judge.tell('launcher', 'serves');
    this.#launcher = { life, process };
    this.#socket.launcher = process;
  }

  #startDaemon(): void {
    const life = new Life(() => {
      this.judge.tell('daemon', 'is killed');
      this.#daemon = undefined;
      this.#socket.lose();
      this.time.after(this.#chance.delay(500, 5_000), () => this.#startDaemon());
    });
    const { time, judge, weather, server } = this;
    this.judge.tell('daemon', 'starts');
    this.#daemon = new SimulatedDaemon(
      {
        time,
        judge,
        weather,
        server,
        quarantines: this.quarantines,
        chance: this.#chance.of(`daemon ${time.now}`),
        mutations: this.#mutations,
        socket: this.#socket,
        machine: this.machine,
        memory: this.#memory,
        syncDisk: this.#syncDisk,
        wall: () => this.#wall,
      },
      life,
    );
  }
}
