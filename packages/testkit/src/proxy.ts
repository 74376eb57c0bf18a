// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BureauError } from '@bureau/core';
import { connect, type IpcClient } from '@bureau/ipc';
import { listenUnix, sendDescriptors } from '@bureau/native';
import { CgroupTree, encodeOrder, endGroup, identityPowers, startChild, systemClock, type Child, type Cgroup } from '@bureau/process';
import { proxyContract } from '@bureau/protocol';
import { pack } from 'msgpackr';
import { CHECKOUT } from './copy-checkout.ts';
import { until } from './until.ts';

const BUNDLE_MILLISECONDS = 120_000;
/** Below every instance's range; another one in each test process. */
const UID = 196_000 + (process.pid % 1_000);
const NUMBER = 3;
/** Liveness only: the machine may be busy. */
const WAIT_MILLISECONDS = 60_000;
/** What looks like a Synapse access token; in every bundle. */
export const TOKEN = 'syt_cHJvYmUvb25l_aSecretThatNobodySees_2xYz';
/** The key of the upstream `api`. */
export const KEY = 'sk-real-key-that-nobody-sees-0001';
const PRINCIPAL = 'probe/one';
const NEVER = Date.UTC(2100, 0);

export interface BundleOptions {
  readonly upstreams?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** Further fields of the header. */
  readonly header?: Readonly<Record<string, unknown>>;
}

export interface RealProxyOptions {
  /** The only uid that its socket serves; the test's own when absent. */
  readonly payloadUid?: number;
  /** Its own /etc/hosts: nobody else of this machine sees it. */
  readonly hosts?: string;
}

/**
 * The proxy process as the service manager starts it: ahead, as root that can only become the proxy's uid, then with its order; keys over
 * the real admin wire. In a directory, a control group and, where it has its own names, a mount namespace of its own.
 */
export class RealProxy implements AsyncDisposable {
  readonly uid = UID;
  readonly directory: string;
  readonly agentPath: string;
  readonly pid: number;
  readonly #child: Child;
  readonly #group: Cgroup;
  readonly #tree: CgroupTree;
  #admin: IpcClient<typeof proxyContract> | undefined;

  private constructor(directory: string, child: Child, tree: CgroupTree, group: Cgroup) {
    this.directory = directory;
    this.agentPath = join(directory, 'proxy.sock');
    this.#child = child;
    this.pid = child.pid;
    this.#tree = tree;
    this.#group = group;
  }

  static async start(options: RealProxyOptions = {}): Promise<RealProxy> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-hostile-'));
    chmodSync(directory, 0o755);
    const logs = join(directory, 'logs', `proxy-${NUMBER}`);
    mkdirSync(logs, { recursive: true });
    chownSync(logs, UID, UID);
    chmodSync(logs, 0o700);
    if (options.hosts !== undefined) writeFileSync(join(directory, 'hosts'), options.hosts);
    const agent = listenUnix(join(directory, 'proxy.sock'), { mode: 0o666 });
    const admin = listenUnix(join(directory, 'admin.sock'), { mode: 0o600 });
    const log = openSync(join(directory, 'log'), 'a', 0o600);
    const tree = CgroupTree.open(`bureau-test-${process.pid}`);
    const group = tree.group('proxy');
    // As the service table of a stand says.
    const ours = [
      '--max-semi-space-size=4',
      '--no-parallel-scavenge',
      '--v8-pool-size=1',
      '--disable-sigusr1',
      builtProxy(),
      '--access-logs',
      join(directory, 'logs'),
    ];
    const program = identityPowers(process.execPath, ours);
    const words = [program.command, ...program.args];
    const own = ['/usr/bin/unshare', '--mount', '--propagation', 'private', '--', '/bin/sh', '-c', OWN_HOSTS, join(directory, 'hosts')];
    const [command = '', ...args] = options.hosts === undefined ? words : [...own, ...words];
    const stdio = ['ignore', log, log, 'pipe', 'pipe'] as const;
    const child = await startChild({
      command,
      args,
      env: { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '524288' },
      cwd: '/',
      stdio,
      detached: true,
      clock: systemClock,
      cgroup: group,
    });
    const proxy = new RealProxy(directory, child, tree, group);
    const [instructions, reports] = [child.process.stdio[3] as Socket, child.process.stdio[4] as Socket];
    instructions.on('error', () => undefined);
    let said = 0;
    reports.on('data', (bytes: Buffer) => (said += bytes.length));
    await until('the proxy to wait for its order', WAIT_MILLISECONDS, () => said >= 1 || proxy.#gone());
    sendDescriptors(instructions, encodeOrder([UID, NUMBER, options.payloadUid ?? 0]), [log, agent, admin]);
    for (const descriptor of [agent, admin, log]) closeSync(descriptor);
    await until('the proxy to serve', WAIT_MILLISECONDS, () => said >= 2 || proxy.#gone());
    return proxy;
  }

  /** Hands keys and rules over as the launcher does; `api` has {@link KEY} unless it says otherwise. Throws what the proxy answers. */
  async configure(options: BundleOptions): Promise<void> {
    const matrix = { url: 'http://127.0.0.1:9', inject: [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }] };
    const header = {
      v: 1,
      principal: PRINCIPAL,
      machine: 'machine/test',
      user_id: `@${PRINCIPAL}:test.local`,
      issued_at: 1,
      expires_at: NEVER,
      upstreams: { matrix, ...options.upstreams },
      ...options.header,
    };
    const secrets = new Map(
      Object.entries({ MATRIX_TOKEN: TOKEN, API_KEY: KEY, ...options.secrets }).map(([name, text]) => [name, Buffer.from(text, 'latin1')]),
    );
    const admin = await this.admin();
    await admin.call('configure', {
      principal: PRINCIPAL as never,
      header: Buffer.from(JSON.stringify(header)),
      secrets: Buffer.from(pack(secrets)),
    });
  }

  /** The launcher's side of the admin wire. */
  async admin(): Promise<IpcClient<typeof proxyContract>> {
    this.#admin ??= await connect({
      path: join(this.directory, 'admin.sock'),
      contract: proxyContract,
      role: 'launcher',
      build: 'test',
      expectUid: UID,
      clock: systemClock,
    });
    return this.#admin;
  }

  /** Its /etc/hosts from now on, in place: it is a bind mount. */
  set hosts(text: string) {
    writeFileSync(join(this.directory, 'hosts'), text);
  }

  /** All that it wrote. */
  get log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Its access log, all files; what is younger than 50 ms may be missing. */
  get accessLog(): string {
    const logs = join(this.directory, 'logs', `proxy-${NUMBER}`);
    return readdirSync(logs)
      .map((name) => readFileSync(join(logs, name), 'utf8'))
      .join('');
  }

  /** Proportional memory in MiB, as the kernel counts it. */
  get memoryMiB(): number {
    const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8'))?.[1];
    return Number(line) / 1_024;
  }

  /** Settles when the process has ended. */
  get exited(): Child['exited'] {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#admin?.close();
    await this.#child.stop(0).catch(() => undefined);
    await endGroup(this.#group, 0, systemClock);
    this.#group.tryRemove();
    this.#tree.remove();
    for (const stream of this.#child.process.stdio) stream?.destroy();
    rmSync(this.directory, { recursive: true });
  }

  #gone(): boolean {
    if (this.#child.process.exitCode === null && this.#child.process.signalCode === null) return false;
    throw new BureauError('proxy_ended', `Expected the proxy to start, and it ended; its log: ${this.log.slice(-2_000)}`);
  }
}

/** The proxy of this checkout as it ships; built when it is not. */
function builtProxy(): string {
  const options = { encoding: 'utf8', timeout: BUNDLE_MILLISECONDS } as const;
  const name = execFileSync(process.execPath, [join(CHECKOUT, 'build/bundle.ts')], options).trim();
  return join(CHECKOUT, '.build', name, 'lib/proxy.js');
}

/** `$0` is the file that stands for /etc/hosts in this mount namespace, the rest is what runs in it. */
const OWN_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"';
