// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { Facts } from '@bureau/reconcile';
import type { Chance } from './chance.ts';
import type { FakeHomeserver, FactType, RoomName, StateEvent } from './fake-homeserver.ts';
import type { Weather } from './faults.ts';
import type { Judge } from './judge.ts';
import type { Life } from './life.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** The view of one moment: what was applied, and how far. */
export interface SyncView {
  readonly position: number;
  readonly events: ReadonlyMap<string, StateEvent>;
}

/** What a sync wrote down, newest last. It is not forced to the disk: now and then a new life begins at an older one. */
export interface SyncDisk {
  kept: SyncView[];
}

export interface FakeSyncDeps {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  readonly judge: Judge;
  readonly life: Life;
  readonly weather: Weather;
  readonly server: FakeHomeserver;
  readonly disk: SyncDisk;
  readonly onChange: () => void;
}

/** How often a life begins at an older position than the last. */
const OLDER = 0.5;

interface Confirmer {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Pause before a homeserver that does not answer is asked again. */
const RETRY = 2_000;

/**
 * A machine's view of its rooms, late by some time: room by room, now and then a whole room after a gap. What was written down is some
 * sync behind, and is where the next life begins.
 */
export class FakeSync {
  readonly #deps: FakeSyncDeps;
  readonly #events: Map<string, StateEvent>;
  #position: number;
  readonly #confirmers: Confirmer[] = [];
  #busy = false;

  constructor(deps: FakeSyncDeps) {
    this.#deps = deps;
    const { disk, chance } = deps;
    if (chance.happens(OLDER)) disk.kept = disk.kept.slice(0, chance.integer(0, disk.kept.length));
    const begun = disk.kept.at(-1);
    this.#position = begun?.position ?? -1;
    this.#events = new Map(begun?.events);
    deps.server.onEvent = () => this.#fetch();
  }

  start(): void {
    if (this.#position >= 0) this.#deps.onChange();
    this.#fetch();
  }

  /** As the daemon reads them: nothing before the config room is known. */
  facts(): Facts | undefined {
    if (this.#position < 0) return undefined;
    return {
      assignments: this.of('assignments'),
      credentials: this.of('credentials'),
      templates: this.of('templates'),
      look: (_room, _type, stateKey) => {
        const event = this.#events.get(`gates ${stateKey}`);
        return event === undefined ? { seen: 'nothing' } : { seen: 'event', sender: '@operator:simulated', ...event };
      },
    };
  }

  /** All state of one type, as far as it is known. */
  of(type: FactType): StateEvent[] {
    return [...this.#events.values()].filter((event) => event.type === type);
  }

  /** As the daemon's: resolves when the rooms were read once more from then on; rejects while they cannot be. */
  confirm(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#confirmers.push({ resolve, reject });
      this.#fetch();
    });
  }

  #fetch(): void {
    const { time, chance, life, server, weather } = this.#deps;
    const isBehind = this.#position !== server.events.length;
    if (this.#busy || !life.alive || !(isBehind || this.#confirmers.length > 0)) return;
    this.#busy = true;
    time.after(chance.delay(200, 3_000), () => {
      if (!life.alive) return;
      const confirmers = this.#confirmers.splice(0);
      if (!weather.homeserverDown) return this.#apply(server.events.length, confirmers);
      for (const { reject } of confirmers) reject(new BureauError('homeserver_unreachable', 'The homeserver does not answer'));
      time.after(RETRY, () => {
        this.#busy = false;
        this.#fetch();
      });
    });
  }

  /** Each room at once, one after the other. */
  #apply(position: number, confirmers: readonly Confirmer[]): void {
    const { time, chance, life, server, weather } = this.#deps;
    const isGap = this.#position < 0 || chance.happens(weather.syncGaps);
    const news = server.events.slice(isGap ? 0 : this.#position, position);
    const rooms: RoomName[] = chance.happens(0.5) ? ['config', 'templates'] : ['templates', 'config'];
    let late = 0;
    for (const room of rooms) {
      time.after(late, () => {
        if (!life.alive) return;
        for (const event of news) if (event.room === room) this.#events.set(`${event.type} ${event.stateKey}`, event);
        if (this.#position < 0 && room === 'config') this.#position = 0;
        this.#deps.onChange();
      });
      late += chance.delay(5, 200);
    }
    time.after(late, () => life.alive && this.#applied(position, confirmers));
  }

  #applied(position: number, confirmers: readonly Confirmer[]): void {
    const { time, chance, life, disk, weather, judge } = this.#deps;
    this.#position = position;
    judge.tell('sync', `at event ${position}`);
    const view = { position, events: new Map(this.#events) };
    time.after(chance.delay(50, 2_000), () => {
      if (life.alive && !weather.diskFull && (disk.kept.at(-1)?.position ?? -1) < position) disk.kept.push(view);
    });
    this.#busy = false;
    for (const { resolve } of confirmers) resolve();
    this.#fetch();
  }
}
