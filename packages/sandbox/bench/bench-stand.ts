// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, readFileSync, readdirSync, watch, writeFileSync } from 'node:fs';
import { parseInstanceName, parsePrincipalName, type PrincipalName } from '@bureau/core';
import {
  PrincipalNumbers,
  instancePaths,
  readSettings,
  uidsOf,
  writeSettings,
  type InstancePaths,
  type InstanceUids,
} from '@bureau/instance';
import { connect, type IpcClient } from '@bureau/ipc';
import { CgroupTree, readProcess, readProcessStatus, readProcesses, systemClock } from '@bureau/process';
import { launcherContract, type InputOf } from '@bureau/protocol';
import { generateOperatorKey, operatorSigner, sealBundle } from '@bureau/seal';
import { BenchInstance } from '../../../build/bench/bench-instance.ts';
import type { Cleanups } from '../../../build/bench/cleanups.ts';

/** One for each run: two may stand beside each other. */
const INSTANCE = `bench${process.pid}`;
/** Any single wait of the bench; nothing here takes a tenth of it. */
const WAIT_MILLISECONDS = 60_000;
/** Below it lie the trees of version 1, and the unified one. */
const CGROUP_ROOT = '/sys/fs/cgroup';
/** More than any bench has. */
const PRINCIPALS_MAX = 1_000;

type Launcher = IpcClient<typeof launcherContract>;

/** One principal of the bench with its sealed bundle. */
export interface BenchPrincipal {
  readonly name: PrincipalName;
  readonly number: number;
  readonly bundle: Uint8Array;
}

/**
 * A real stand whose daemon stands still (SIGSTOP), so that nobody but the bench asks the launcher for anything; the bench speaks to
 * it as the daemon's uid.
 */
export class BenchStand implements AsyncDisposable {
  readonly paths: InstancePaths;
  readonly uids: InstanceUids;
  readonly tree: CgroupTree;
  readonly build: string;
  #launcher: Launcher | undefined;
  readonly #instance: BenchInstance;
  readonly #seal: (name: PrincipalName, id: number) => Promise<Uint8Array>;
  #serial = 0;

  private constructor(instance: BenchInstance, paths: InstancePaths, uids: InstanceUids, build: string, seal: BenchStand['sealFor']) {
    this.#instance = instance;
    this.paths = paths;
    this.uids = uids;
    this.build = build;
    this.tree = CgroupTree.open(paths.cgroupName);
    this.#seal = seal;
  }

  /** Starts it with `warm` relays and proxies at rest. */
  static async start(warm: number, cleanups: Cleanups): Promise<BenchStand> {
    const instance = new BenchInstance(INSTANCE, cleanups);
    await instance.up('--no-demo');
    const paths = instancePaths(parseInstanceName(INSTANCE));
    writeSettings(paths, { ...readSettings(paths), warm: { relays: warm, proxies: warm } });
    await instance.down();
    await instance.up('--no-demo');
    const settings = readSettings(paths);
    const operator = generateOperatorKey();
    writeFileSync(`${paths.operatorsDirectory}/bench.pub`, operator.publicPem, { mode: 0o644 });
    const signer = operatorSigner(operator.privatePem);
    let recipient = '';
    const seal: BenchStand['sealFor'] = async (name) => {
      const now = Date.now();
      const header = {
        v: 1 as const,
        principal: name,
        machine: settings.machine,
        user_id: `@${name}:bureau.local` as never,
        issued_at: now,
        expires_at: now + 86_400_000,
        upstreams: {},
      };
      return sealBundle({ header, secrets: new Map([['MATRIX_TOKEN', Buffer.from('bench')]]) }, { signer, recipients: [recipient] });
    };
    const stand = new BenchStand(instance, paths, uidsOf(settings.uidBase), settings.build, seal);
    process.kill(stand.#processIn('daemon'), 'SIGSTOP');
    await stand.reconnect();
    recipient = (await stand.launcher.call('status', {})).recipient;
    return stand;
  }

  get launcher(): Launcher {
    if (this.#launcher === undefined) throw new Error('not connected');
    return this.#launcher;
  }

  /** A connection to the launcher that is there now. */
  async reconnect(): Promise<void> {
    this.#launcher?.close();
    // The kernel notes the effective uid of the moment of `connect`.
    process.setegid?.(this.uids.daemon);
    process.seteuid?.(this.uids.daemon);
    try {
      this.#launcher = await connect({
        path: this.paths.launcherSocket,
        contract: launcherContract,
        role: 'daemon',
        build: this.build,
        expectUid: 0,
        clock: systemClock,
      });
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  }

  /** Seals a bundle for `bench/<name>`; the number is known once it was created. */
  async principal(name: string): Promise<BenchPrincipal> {
    const principal = parsePrincipalName(`bench/${name}`);
    return { name: principal, number: -1, bundle: await this.sealFor(principal, 0) };
  }

  sealFor(name: PrincipalName, serial: number): Promise<Uint8Array> {
    return this.#seal(name, serial);
  }

  /** Asks for a sandbox; its id and the launcher's answer. */
  async create(principal: BenchPrincipal, command: readonly string[], more: Partial<InputOf<typeof launcherContract, 'create'>> = {}) {
    this.#serial += 1;
    const spec = {
      v: 1 as const,
      command: [...command],
      environment: {},
      mounts: [],
      directory: '/workspace',
      terminal: false,
      scratchSize: 1 << 20,
      profile: 'default' as const,
    };
    return this.launcher.call(
      'create',
      {
        principal: principal.name,
        id: `b-${process.pid}-${this.#serial}`,
        spec,
        bundle: principal.bundle,
        holdForObserver: false,
        ...more,
      } as InputOf<typeof launcherContract, 'create'>,
      { deadlineMilliseconds: WAIT_MILLISECONDS },
    );
  }

  async destroy(principal: BenchPrincipal, id: string): Promise<void> {
    await this.launcher.call(
      'destroy',
      { principal: principal.name, id, graceMilliseconds: 5_000 },
      { deadlineMilliseconds: WAIT_MILLISECONDS },
    );
  }

  async forget(principal: BenchPrincipal, id: string): Promise<void> {
    await this.launcher.call('forget', { principal: principal.name, id }, { deadlineMilliseconds: WAIT_MILLISECONDS });
  }

  /** The principal's number, which it has for life once it was created. */
  numberOf(principal: BenchPrincipal): number {
    const number = new PrincipalNumbers(this.paths.numbersFile).find(principal.name);
    if (number === undefined) throw new Error(`${principal.name} has no number yet`);
    return number;
  }

  /** The next output of sandbox `number`, as its relay wrote it down: the moment on the clock of `performance`. */
  nextOutput(number: number): { readonly at: Promise<number>; readonly close: () => void } {
    const path = this.paths.outputLog(number);
    appendFileSync(path, '', { mode: 0o600 });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const watcher = watch(path);
    const late = setTimeout(() => reject(new Error(`no output of sandbox ${number}`)), WAIT_MILLISECONDS);
    const close = (): void => {
      clearTimeout(late);
      watcher.close();
    };
    watcher.once('change', () => {
      resolve(performance.now());
      close();
    });
    return { at: promise, close };
  }

  /** Resolves when the pools are full and at rest: relays of the launcher, proxies of the stand. One that still starts would use a processor. */
  async poolsFull(warm: number): Promise<void> {
    const deadline = Date.now() + WAIT_MILLISECONDS;
    for (;;) {
      const waiting = [/^relay-/, /^proxy-/].map((kind) => this.pidsOf(kind).filter(waitsForOrder).length);
      if (waiting.every((count) => count >= warm)) return;
      if (Date.now() > deadline) throw new Error(`pools not full: ${waiting.join(' relays, ')} proxies wait`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Everything that sandboxes hold of the machine, and may hold once the pools are full: one line each, without what is random in it. */
  footprint(): string[] {
    const { cgroupName, launcherStateDirectory, principalsDir, runDir } = this.paths;
    const trees = new Set([this.tree.path, ...readdirSync(CGROUP_ROOT).map((name) => `${CGROUP_ROOT}/${name}/${cgroupName}`)]);
    const groups = [...trees].filter(existsSync).flatMap((tree) =>
      readdirSync(tree, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${tree}/${name.replace(/(?<=^relay|^proxy)-.*/, '')}`),
    );
    const [first, last] = [this.uids.payload(0), this.uids.proxy(PRINCIPALS_MAX)];
    const manager = readProcess(this.#processIn('launcher'))?.parent;
    const processes = readProcesses().flatMap(({ pid, name, zombie, parent }) => {
      // What has ended and whose parent has gone is the service manager's to notice, which looks twice a second, or process 1's.
      if (zombie && (parent === 1 || parent === manager)) return [];
      const uid = readProcessStatus(pid)?.uids[0] ?? 0;
      return uid >= first && uid <= last ? [`${name} of uid ${uid}`] : [];
    });
    const records = readdirSync(launcherStateDirectory).filter((name) => name.endsWith('.sandbox.json'));
    const directories = readdirSync(principalsDir).map((name) => `.p/${name}`);
    return [...groups, ...processes, ...records, ...directories, ...readdirSync(runDir).filter((name) => name.endsWith('.sock'))];
  }

  /** Process ids in the groups whose name begins so. */
  pidsOf(prefix: RegExp): number[] {
    return this.tree
      .list()
      .filter((name) => prefix.test(name))
      .flatMap((name) => this.tree.group(name).pids());
  }

  #processIn(group: string): number {
    const [pid] = this.tree.group(group).pids();
    if (pid === undefined) throw new Error(`no process in ${group}`);
    return pid;
  }

  /** Kills the launcher; resolves with the milliseconds from its end to the first answer of the next. */
  async restartLauncher(): Promise<number> {
    const pid = this.#processIn('launcher');
    this.#launcher?.close();
    process.kill(pid, 'SIGKILL');
    const started = performance.now();
    for (;;) {
      try {
        await this.reconnect();
        await this.launcher.call('status', {});
        return performance.now() - started;
      } catch {
        if (performance.now() - started > WAIT_MILLISECONDS) throw new Error('the launcher did not come back');
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#launcher?.close();
    await this.#instance.purge();
  }
}

/** Proportional memory of processes, MiB. */
export function proportionalMemory(pids: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of pids) {
    try {
      kibibytes += Number(/^Pss:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It has ended meanwhile.
    }
  }
  return kibibytes / 1_024;
}

/**
 * A member of a pool is root until it has its order. It blocks in poll(2) when it has loaded everything; one that still loads never does. A relay's is its
 * starter, which is root until it has its own.
 */
function waitsForOrder(pid: number): boolean {
  try {
    const isRelay = /^relay-/m.test(readFileSync(`/proc/${pid}/cgroup`, 'latin1').replace(/.*\//g, ''));
    if (isRelay !== (readFileSync(`/proc/${pid}/comm`, 'latin1') === 'bureau-starter\n')) return false;
    return readProcessStatus(pid)?.uids[0] === 0 && readFileSync(`/proc/${pid}/wchan`, 'latin1').startsWith('poll_schedule');
  } catch {
    return false; // It has ended meanwhile.
  }
}
