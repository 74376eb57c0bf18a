// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseInstanceName, parseMachineName, parsePrincipalName, parseServerName, type PrincipalName } from '@bureau/core';
import {
  ensureInstanceDirectories,
  ensurePrincipalDirectories,
  instancePaths,
  uidsOf,
  writeSettings,
  type InstancePaths,
} from '@bureau/instance';
import { TEST_UID_BASE } from '@bureau/instance/testing';
import { connect, serve, type Handlers, type IpcClient, type IpcServer } from '@bureau/ipc';
import { listenUnix } from '@bureau/native';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';
import { CgroupTree, endGroup, readProcessStatus, readProcesses, startChild, systemClock, type Child } from '@bureau/process';
import { launcherContract, proxyContract, standContract, type InputOf } from '@bureau/protocol';
import type { FaultPoint } from '@bureau/sandbox';
import { generateOperatorKey, operatorSigner, sealBundle } from '@bureau/seal';

export const PRINCIPAL = parsePrincipalName('iree/pm');
const MACHINE = parseMachineName('machine/test');
const DAY = 86_400_000;

/** A launcher in a process of its own, and a daemon's connection to it. */
export interface RunningLauncher {
  readonly child: Child;
  readonly client: IpcClient<typeof launcherContract>;
  /** SIGTERM, as a new build is put in its place. */
  stop(): Promise<void>;
}

/** The real launcher process, relay, bubblewrap, cgroups and uids; the service manager and the proxies are stand-ins. */
export class CrashStand {
  readonly paths: InstancePaths;
  readonly tree: CgroupTree;
  readonly #uids = uidsOf(TEST_UID_BASE);
  readonly #program: RelayProgram;
  readonly #proxies = new Map<number, IpcServer>();
  #turn: Promise<unknown> = Promise.resolve();
  readonly #operator = generateOperatorKey();
  #manager: IpcServer | undefined;
  #running: RunningLauncher | undefined;

  private constructor(name: string, program: RelayProgram) {
    this.paths = instancePaths(parseInstanceName(name));
    this.tree = CgroupTree.open(this.paths.cgroupName);
    this.#program = program;
  }

  static async open(context: TestContext): Promise<CrashStand> {
    const stand = new CrashStand(`c${process.pid}`, await buildRelayProgram());
    context.after(() => stand.#end());
    ensureInstanceDirectories(stand.paths, stand.#uids);
    writeSettings(stand.paths, {
      v: 1,
      name: stand.paths.name,
      uidBase: TEST_UID_BASE,
      serverName: parseServerName('bureau.local'),
      homeserverPort: 6_167,
      homeserverUrl: 'http://127.0.0.1:6167',
      machine: MACHINE,
      build: 'test',
      warm: { relays: 1, proxies: 0 },
    });
    const key = createPublicKey({ key: stand.#operator.privatePem.bytes, format: 'pem' });
    writeFileSync(`${stand.paths.operatorsDirectory}/local.pub`, key.export({ format: 'pem', type: 'spki' }));
    await stand.#serveManager();
    return stand;
  }

  /** Starts the launcher; with a point, one that dies there. Resolves when it serves. */
  async start(point?: FaultPoint): Promise<RunningLauncher> {
    rmSync(this.paths.launcherSocket, { force: true });
    const listener = listenUnix(this.paths.launcherSocket, { mode: 0o666 });
    const log = openSync(`${this.paths.logDir}/launcher.log`, 'a');
    const child = await startChild({
      command: process.execPath,
      args: [
        join(import.meta.dirname, 'crashing-launcher.main.ts'),
        this.paths.name,
        this.#program.directory,
        ...(point === undefined ? [] : [point]),
      ],
      env: { PATH: '/usr/bin:/bin', NODE_COMPILE_CACHE: `${this.#program.directory}/compile-cache` },
      stdio: ['ignore', log, log, listener, 'pipe'],
      readyFd: 4,
      detached: true,
      clock: systemClock,
      logFile: `${this.paths.logDir}/launcher.log`,
    });
    closeSync(listener);
    closeSync(log);
    const client = await this.connect();
    const running: RunningLauncher = {
      child,
      client,
      stop: async () => {
        client.close();
        child.process.kill('SIGTERM');
        await child.exited;
      },
    };
    this.#running = running;
    return running;
  }

  /** Another connection, under the daemon's uid. */
  connect(): Promise<RunningLauncher['client']> {
    const { launcherSocket: path } = this.paths;
    return as(this.#uids.daemon, () =>
      connect({ path, contract: launcherContract, role: 'daemon', build: 'test', expectUid: 0, clock: systemClock }),
    );
  }

  /** What the daemon sends for a sandbox that runs until it is told to end. */
  async input(client: RunningLauncher['client'], id: string): Promise<InputOf<typeof launcherContract, 'create'>> {
    const { recipient } = await client.call('status', {});
    const bundle = await this.bundle(recipient, PRINCIPAL, Date.now());
    return { principal: PRINCIPAL, id, bundle, spec: { v: 1, command: ['sleep', '4711'] } } as InputOf<typeof launcherContract, 'create'>;
  }

  /** A bundle that this machine's operator has signed, good for a day from `issuedAt` on. */
  bundle(recipient: string, principal: PrincipalName, issuedAt: number): Promise<Uint8Array> {
    const header = {
      v: 1 as const,
      principal,
      machine: MACHINE,
      user_id: `@${principal}:bureau.local` as never,
      issued_at: issuedAt,
      expires_at: issuedAt + DAY,
      upstreams: {},
    };
    const sealed = { header, secrets: new Map([['MATRIX_TOKEN', Buffer.from('secret')]]) };
    return sealBundle(sealed, { signer: operatorSigner(this.#operator.privatePem), recipients: [recipient] });
  }

  /** Live processes under the payload's uid, by the name of their program. */
  processes(number: number): string[] {
    const uid = this.#uids.payload(number);
    return readProcesses()
      .filter(({ pid, zombie }) => !zombie && readProcessStatus(pid)?.uids.includes(uid) === true)
      .map(({ pid }) => programOf(pid))
      .sort();
  }

  /** Everything of this number that is on the machine, its record aside. Empty: nothing is left. */
  remains(number: number): string[] {
    const groups = [...this.tree.controllers.present.map(({ root }) => `${root}/${this.paths.cgroupName}`), this.tree.path].flatMap(
      (directory) => `${directory}/sandbox-${number}`,
    );
    // One that waits is root's.
    const relays = this.tree.list().filter((name) => name.startsWith('relay-') && !this.tree.group(name).pids().some(isRoot));
    const places = [...groups, this.paths.principal(number).directory, this.paths.socketLink(PRINCIPAL), `${this.paths.runDir}/iree`];
    return [
      ...places.filter((path) => existsSync(path)),
      ...relays,
      ...this.processes(number).map((name) => `process ${name}`),
      ...(this.#proxies.has(number) ? [`proxy ${number}`] : []),
    ];
  }

  /** Names of the launcher's own files. */
  stateFiles(): string[] {
    return readdirSync(this.paths.launcherStateDirectory).sort();
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(task);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #serveManager(): Promise<void> {
    this.#manager = await serve({
      path: this.paths.standSocket,
      contract: standContract,
      handlers: {
        listenProxy: () => ({}),
        // One after the other, as the service manager does: a killed launcher's last call may still be under way.
        startProxy: ({ number }) =>
          this.#inTurn(async () => {
            ensurePrincipalDirectories(this.paths, number, this.#uids);
            if (!this.#proxies.has(number)) this.#proxies.set(number, await this.#serveProxy(number));
            return { pid: process.pid };
          }),
        stopProxy: ({ number }) =>
          this.#inTurn(async () => {
            const proxy = this.#proxies.get(number);
            this.#proxies.delete(number);
            await proxy?.close();
            return {};
          }),
        status: () => ({ build: 'test', services: [] }),
        start: () => ({}),
        handOver: () => ({}),
        shutDown: () => ({}),
      },
      role: 'stand',
      build: 'test',
      allowUids: [0],
      clock: systemClock,
    });
  }

  #serveProxy(number: number): Promise<IpcServer> {
    const fd = listenUnix(this.paths.principal(number).adminSocket, { mode: 0o666 });
    const silent = Object.fromEntries(Object.keys(proxyContract.methods).map((method) => [method, () => ({})]));
    const handlers = { ...silent, configure: () => ({ digest: '0'.repeat(64) }) } as unknown as Handlers<typeof proxyContract>;
    // The kernel tells a client the uid that called listen() last.
    return as(this.#uids.proxy(number), () =>
      serve({ fd, contract: proxyContract, handlers, role: 'proxy', build: 'test', allowUids: [0], clock: systemClock }),
    );
  }

  async #end(): Promise<void> {
    this.#running?.client.close();
    await this.#running?.child.stop(0);
    for (const name of this.tree.list()) await endGroup(this.tree.group(name), 0, systemClock);
    for (const proxy of this.#proxies.values()) await proxy.close();
    await this.#manager?.close();
    this.tree.remove();
    for (const place of [this.paths.runDir, this.paths.stateDir, this.paths.configDir, this.paths.logDir])
      rmSync(place, { recursive: true, force: true });
    this.#program[Symbol.dispose]();
  }
}

/** Starts something under another uid, whose first system calls (connect, listen) come before the first turn of the event loop. */
function as<Result>(uid: number, start: () => Promise<Result>): Promise<Result> {
  process.setegid?.(uid);
  process.seteuid?.(uid);
  try {
    return start();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

function isRoot(pid: number): boolean {
  return readProcessStatus(pid)?.uids[0] === 0;
}

function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'gone';
  }
}
