// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { parseInstanceName, parsePrincipalName, type PrincipalName } from '@bureau/core';
import {
  PrincipalNumbers,
  instancePaths,
  readMachine,
  readSettings,
  writeSettings,
  type InstancePaths,
  type MachineSettings,
} from '@bureau/instance';
import { connect, type IpcClient } from '@bureau/ipc';
import { CgroupTree, readProcessStatus, systemClock } from '@bureau/process';
import { daemonContract, type OutputOf, type PrincipalStatus } from '@bureau/protocol';
import { generateOperatorKey, operatorSigner, sealBundle } from '@bureau/seal';
import { BenchInstance } from '../../../build/bench/bench-instance.ts';
import type { Cleanups } from '../../../build/bench/cleanups.ts';
import { allStatuses, wholePlan } from '../src/agents/statuses.ts';

const INSTANCE = 'benchdaemon';
/** Any single wait of the bench; nothing here takes a tenth of it. */
const WAIT_MILLISECONDS = 60_000;

/** A line of one of our logs. */
export interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A real stand with its daemon at work; the bench is the operator, and writes to the config room by plain requests. */
export class DaemonStand implements AsyncDisposable {
  readonly paths: InstancePaths;
  readonly tree: CgroupTree;
  readonly #instance: BenchInstance;
  readonly #machine: MachineSettings;
  readonly #token: string;
  readonly #signer: ReturnType<typeof operatorSigner>;

  private constructor(instance: BenchInstance, paths: InstancePaths, signer: ReturnType<typeof operatorSigner>) {
    this.#instance = instance;
    this.paths = paths;
    this.tree = CgroupTree.open(paths.cgroupName);
    this.#machine = readMachine(paths);
    this.#token = /^MATRIX_ADMIN_TOKEN=(.+)$/m.exec(readFileSync(paths.credentialFile, 'utf8'))?.[1] ?? '';
    this.#signer = signer;
  }

  /** Starts it with `warm` relays and proxies at rest. */
  static async start(warm: number, cleanups: Cleanups): Promise<DaemonStand> {
    const instance = new BenchInstance(INSTANCE, cleanups);
    await instance.up('--no-demo');
    const paths = instancePaths(parseInstanceName(INSTANCE));
    writeSettings(paths, { ...readSettings(paths), warm: { relays: warm, proxies: warm } });
    await instance.down();
    await instance.up('--no-demo');
    const operator = generateOperatorKey();
    writeFileSync(`${paths.operatorsDirectory}/bench.pub`, operator.publicPem, { mode: 0o644 });
    return new DaemonStand(instance, paths, operatorSigner(operator.privatePem));
  }

  /** Gives `bench/<name>` sealed keys, which it needs before it can start. */
  async provision(name: string): Promise<PrincipalName> {
    const principal = parsePrincipalName(`bench/${name}`);
    const now = Date.now();
    const header = {
      v: 1 as const,
      principal,
      machine: this.#machine.machine,
      user_id: `@${principal}:${this.#machine.serverName}` as never,
      issued_at: now,
      expires_at: now + 86_400_000,
      upstreams: {},
    };
    const secrets = new Map([['MATRIX_TOKEN', Buffer.from('bench')]]);
    const bundle = await sealBundle({ header, secrets }, { signer: this.#signer, recipients: [this.#machine.recipient] });
    await this.#putState('m.bureau.credentials', principal, { v: 1, principal, bundle: Buffer.from(bundle).toString('base64') });
    return principal;
  }

  /** Writes an assignment; resolves when the homeserver has it. */
  async assign(principal: PrincipalName, content: object): Promise<void> {
    await this.#putState('m.bureau.assignment', principal, { v: 1, principal, ...content });
  }

  /** The number of a principal that was created once. */
  numberOf(principal: PrincipalName): number {
    const number = new PrincipalNumbers(this.paths.numbersFile).find(principal);
    if (number === undefined) throw new Error(`${principal} has no number yet`);
    return number;
  }

  /** The moment (`Date.now`) of the next output of sandbox `number`, as its relay wrote it down. */
  nextOutput(number: number): Promise<number> {
    const path = this.paths.outputLog(number);
    appendFileSync(path, '', { mode: 0o600 });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const watcher = watch(path);
    const late = setTimeout(() => {
      watcher.close();
      reject(new Error(`no output of sandbox ${number}`));
    }, WAIT_MILLISECONDS);
    watcher.once('change', () => {
      resolve(performance.timeOrigin + performance.now());
      clearTimeout(late);
      watcher.close();
    });
    return promise;
  }

  /** Lines of one of the instance's logs. */
  log(name: string): LogLine[] {
    const lines = readFileSync(`${this.paths.logDir}/${name}.log`, 'utf8').split('\n');
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves when the pools are full: relays of the launcher, proxies of the stand. */
  async poolsFull(warm: number): Promise<void> {
    // Those that wait are root.
    const waiting = (prefix: string): number =>
      this.tree.list().filter(
        (name) =>
          name.startsWith(prefix) &&
          this.tree
            .group(name)
            .pids()
            .some((pid) => readProcessStatus(pid)?.uids[0] === 0),
      ).length;
    await this.until('the pools are full', () => waiting('relay-') >= warm && waiting('proxy-') >= warm);
  }

  /** What the daemon says of itself; `undefined` while it does not answer. */
  async status(): Promise<OutputOf<typeof daemonContract, 'status'> | undefined> {
    return this.#asked((daemon) => daemon.call('status', {}));
  }

  /** What it says of its principals; `undefined` while it does not answer. */
  async principals(): Promise<readonly PrincipalStatus[] | undefined> {
    return this.#asked(allStatuses);
  }

  /** How many actions the daemon would take now; `undefined` while it does not answer. */
  async planned(): Promise<number | undefined> {
    return this.#asked(async (daemon) => (await wholePlan(daemon)).length);
  }

  /** Resolves when exactly these run and nothing is left to do; as soon as it is seen. */
  async settled(running: number): Promise<void> {
    await this.until(`${running} run and nothing is left to do`, async () => {
      const principals = (await this.principals()) ?? [];
      return principals.filter(({ state }) => state === 'running').length === running && (await this.planned()) === 0;
    });
  }

  /** Kills the daemon; the milliseconds until its successor answers and `holds`. */
  async restartDaemon(holds: () => Promise<boolean>): Promise<number> {
    const [pid] = this.pidsOf(/^daemon$/);
    if (pid === undefined) throw new Error('no daemon runs');
    process.kill(pid, 'SIGKILL');
    const began = performance.now();
    await this.until('another daemon', () => this.pidsOf(/^daemon$/).some((each) => each !== pid));
    await this.until('the next daemon is as the last one was', holds);
    return performance.now() - began;
  }

  /** Process ids in the groups whose name fits. */
  pidsOf(name: RegExp): number[] {
    return this.tree
      .list()
      .filter((each) => name.test(each))
      .flatMap((each) => this.tree.group(each).pids())
      .toSorted((a, b) => a - b);
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const late = performance.now() + WAIT_MILLISECONDS;
    while (!(await holds())) {
      if (performance.now() > late) throw new Error(`Not within ${WAIT_MILLISECONDS} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#instance.purge();
  }

  async #asked<Value>(ask: (daemon: IpcClient<typeof daemonContract>) => Promise<Value>): Promise<Value | undefined> {
    try {
      const { daemonSocket: path } = this.paths;
      const expectUid = readSettings(this.paths).uidBase;
      using daemon = await connect({ path, contract: daemonContract, role: 'cli', build: 'bench', expectUid, clock: systemClock });
      return await ask(daemon);
    } catch {
      return undefined;
    }
  }

  async #putState(type: string, key: string, content: object): Promise<void> {
    const { homeserverUrl, configRoom } = this.#machine;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(configRoom)}/state/${type}/${encodeURIComponent(key)}`;
    const answer = await fetch(homeserverUrl + path, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify(content),
    });
    if (answer.status === 429) {
      const { retry_after_ms: pause } = (await answer.json()) as { retry_after_ms?: number };
      await new Promise((resolve) => setTimeout(resolve, pause ?? 1_000));
      return this.#putState(type, key, content);
    }
    if (!answer.ok) throw new Error(`The homeserver refused ${type}: ${answer.status} ${await answer.text()}`);
    await answer.body?.cancel();
  }
}
