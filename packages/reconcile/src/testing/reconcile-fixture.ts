// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { BureauError, parsePrincipalName, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import { connect, serve } from '@bureau/ipc';
import { createLogger, type Logger } from '@bureau/log';
import { launcherContract, type HealthFinding, type PrincipalStatus, type SandboxInfo } from '@bureau/protocol';
import type { Facts } from '../desired.ts';
import type { HealthSubject } from '../health-monitor.ts';
import { LauncherLink } from '../launcher-link.ts';
import type { LastingMemory } from '../memory.ts';
import { Reconciler } from '../reconciler.ts';
import { Runs } from '../runs.ts';

export const PRINCIPAL = parsePrincipalName('iree/pm');

/** Time that a test moves. */
export class HandClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Map<object, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimer(milliseconds: number, callback: () => void): Timer {
    const key = {};
    this.#timers.set(key, { at: this.#now + milliseconds, callback });
    return { clear: () => void this.#timers.delete(key) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const [key, { at, callback }] of [...this.#timers]) {
      if (at > this.#now || !this.#timers.delete(key)) continue;
      callback();
    }
  }
}

/** The machine's time, for sockets. */
const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds).unref();
    return { clear: () => clearTimeout(timer) };
  },
};

export function silentLogger(): Logger {
  const hush = (): void => undefined;
  return Object.assign(Object.create(createLogger({ name: 'test' })) as Logger, { info: hush, warn: hush, error: hush });
}

/** Resolves when `condition` holds; looks once in each turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  const late = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > late) throw new Error(`Not within 20 s: ${condition.toString()}`);
    await new Promise(setImmediate);
  }
}

/** Lets what is under way through sockets come to rest: a hundred turns with real I/O between. */
export async function settle(link: LauncherLink): Promise<void> {
  for (let round = 0; round < 10; round += 1) await link.client.call('status', {});
}

/** A reconciler on a real connection to a launcher whose answers the test decides. */
export interface Bench {
  readonly clock: HandClock;
  readonly link: LauncherLink;
  readonly reconciler: Reconciler;
  readonly runs: Runs;
  /** What the launcher was asked for, such as `create KEY-0`. */
  readonly asked: string[];
  /** What the launcher has; told at `list`, never by the watch, as if the watch were slow. */
  sandboxes: SandboxInfo[];
  facts: Facts | undefined;
  /** What the rooms answer when they are asked again. */
  confirm: () => Promise<void>;
  /** What an agent answers when it is asked how it is. */
  probe: (subject: HealthSubject) => Promise<HealthFinding>;
  /** Throws in the launcher's place. */
  refuse: (what: string) => void;
  statuses: readonly PrincipalStatus[];
  /** What people were told. */
  readonly told: string[];
  /** A create that comes while this is so is answered at `release`. */
  stall: boolean;
  release: () => void;
  /** The disk takes nothing. */
  diskFull: boolean;
  /** What is on disk. */
  readonly kept: Map<PrincipalName, LastingMemory>;
}

export async function bench(context: TestContext): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-reconcile-'));
  const clock = new HandClock();
  const runs = new Runs();
  const logger = silentLogger();
  const stalled = Promise.withResolvers<void>();
  const made = {
    asked: [] as string[],
    sandboxes: [] as SandboxInfo[],
    facts: undefined as Facts | undefined,
    confirm: (): Promise<void> => Promise.resolve(),
    probe: (_subject: HealthSubject): Promise<HealthFinding> => Promise.resolve({ healthy: true }),
    refuse: (): void => undefined,
    statuses: [] as readonly PrincipalStatus[],
    told: [] as string[],
    stall: false,
    release: (): void => stalled.resolve(),
    diskFull: false,
    kept: new Map<PrincipalName, LastingMemory>(),
  };
  const link = new LauncherLink({
    connect: () =>
      connect({
        path: `${directory}/launcher.sock`,
        contract: launcherContract,
        role: 'daemon',
        build: 'test',
        expectUid: 0,
        clock: systemClock,
      }),
    clock: systemClock,
    logger,
    onChange: () => reconciler.poke(),
  });
  const reconciler = new Reconciler({
    clock,
    logger,
    launcher: link,
    runs,
    memory: {
      load: () => new Map(),
      save: (changes) => {
        if (self.diskFull) throw new BureauError('disk_full', 'No space left on the device');
        for (const [principal, memory] of changes) {
          if (memory === undefined) self.kept.delete(principal);
          else self.kept.set(principal, memory);
        }
      },
    },
    nextTurn: setImmediate,
    facts: () => self.facts,
    confirm: () => self.confirm(),
    probe: (subject) => self.probe(subject),
    onStatuses: (statuses) => void (self.statuses = statuses),
    notify: async (notification) => void self.told.push(notification.content.body),
  });
  const self: Bench = { ...made, clock, link, reconciler, runs };
  const ask = (what: string): void => {
    self.asked.push(what);
    self.refuse(what);
  };
  const server = await serve({
    path: `${directory}/launcher.sock`,
    contract: launcherContract,
    handlers: {
      status: () => ({ build: 'test', machine: 'machine/test', recipient: 'none', identityStore: 'file', sandboxes: 0, resources: [] }),
      create: async ({ principal, id }, { signal }) => {
        ask(`create ${id}`);
        const cancelled = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        if (self.stall) await Promise.race([stalled.promise, cancelled]);
        if (signal.aborted) self.asked.push(`cancelled ${id}`);
        return sandbox(id, 'creating', principal);
      },
      check: ({ spec }) => {
        ask(`check ${spec.command.join(' ')}`);
        return {};
      },
      destroy: ({ id }) => {
        ask(`destroy ${id}`);
        return { code: 0, signal: null };
      },
      wait: () => ({ code: 0, signal: null }),
      signal: () => ({}),
      updatePayload: ({ id }) => {
        ask(`updatePayload ${id}`);
        return {};
      },
      forget: ({ id }) => {
        ask(`forget ${id}`);
        return {};
      },
      list: () => ({ sandboxes: self.sandboxes }),
      watch: async function* (_input, { signal }) {
        yield* [];
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        return {};
      },
      authorize: () => {
        ask('authorize');
        return {};
      },
      rotate: () => {
        ask('rotate');
        return { digest: '0'.repeat(64) };
      },
    },
    role: 'launcher',
    build: 'test',
    allowUids: [0],
    clock: systemClock,
  });
  context.after(async () => {
    link.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return self;
}

/** Connects, and waits until the first picture is there. */
export async function connected(made: Bench): Promise<void> {
  made.link.start();
  await until(() => made.link.observed !== undefined);
}

export function sandbox(id: string, state: SandboxInfo['state'], principal = PRINCIPAL): SandboxInfo {
  return { principal, number: 0, id, state, startedAt: 1, proxyRestarts: 0, relaySocket: '/run/bureau/.p/0/relay/relay.sock' };
}

/** Rooms that want one agent. */
export function wanting(more: Record<string, unknown> = {}): Facts {
  return {
    assignments: [{ stateKey: PRINCIPAL, eventId: '$a', content: { v: 1, principal: PRINCIPAL, command: ['true'], ...more } }],
    credentials: [],
    templates: [{ stateKey: 'default', eventId: '$t', content: { v: 1, description: 'x' } }],
  };
}
