// SPDX-License-Identifier: Apache-2.0
import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect as connectSocket, createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@bureau/ipc';
import { listenUnix } from '@bureau/native';
import { CgroupTree, PoolMember, systemClock } from '@bureau/process';
import { proxyContract } from '@bureau/protocol';
import { pack } from 'msgpackr';

const ROOT = join(import.meta.dirname, '../../..');
/** The longest that a child may take to start or to answer a round. */
const CHILD_MILLISECONDS = 120_000;
/** The proxies' user: below every instance's range. */
const UID = 196_500;
/** Not below /tmp, where somebody else could leave a program for us to run. */
const NGINX_FILES = join(ROOT, '.build/bench-nginx');
/** Outside the checkout: 100 MB that no version of ours changes. */
const MITMPROXY_FILES = join(homedir(), '.cache/bureau-bench/mitmproxy');
const MITMDUMP = join(MITMPROXY_FILES, 'bin/mitmdump');
const MITMPROXY_PACKAGE = 'mitmproxy==11.0.2';
const NGINX = ['/usr/sbin/nginx', join(NGINX_FILES, 'usr/sbin/nginx')];

/** A proxy that serves: its agent's socket, its process, and the milliseconds to its first answer, from nothing and from the pool. */
export interface OurProxy {
  readonly socket: string;
  readonly pid: number;
  readonly cold: number;
  readonly warm: number;
}

export interface ProxyVariant {
  /** Further flags of Node. */
  readonly flags?: readonly string[];
  /** Another build. */
  readonly files?: string;
  /** As where the pool is empty. */
  readonly atOnce?: boolean;
}

/**
 * Each in a session of its own, as services are and as our proxy is started: the kernel shares the processors among sessions first, and
 * who had one together with the load would be woken sooner.
 */
const APART = { detached: true } as const;

/** Reads process ids; when the bench ends without a word (`kill -9`), so do they, and its directory goes. A parent-death signal would be lost when the proxy takes its uid. */
const REAPER = 'while read -r pid; do pids="$pids $pid"; done; [ -z "$pids" ] || kill -9 $pids; rm -rf -- "$0"';

/** Everything that one measure started, in a directory of its own. */
export class Arena {
  readonly directory = mkdtempSync(join(tmpdir(), 'bureau-bench-proxy-'));
  readonly #children: ChildProcess[] = [];
  readonly #members: PoolMember[] = [];
  #tree: CgroupTree | undefined;
  #proxies = 0;
  readonly #reaper = spawn('/bin/sh', ['-c', REAPER, this.directory], { stdio: ['pipe', 'ignore', 'ignore'], ...APART });

  /** Ends every process and removes every file. */
  async close(): Promise<void> {
    const alive = this.#children.filter((child) => child.exitCode === null && child.signalCode === null);
    const gone = alive.map((child) => once(child, 'exit'));
    for (const child of alive) child.kill('SIGKILL');
    await Promise.all(gone);
    await Promise.all(this.#members.map((member) => member.end()));
    this.#tree?.remove();
    this.#reaper.kill('SIGKILL');
    rmSync(this.directory, { recursive: true });
  }

  /** The upstream of all contestants; gives its port. */
  async upstream(): Promise<number> {
    return Number(await nextMessage(this.#fork('upstream.main.ts')));
  }

  /** A load generator in a process of its own; each call is one round. */
  async load(): Promise<(round: object) => Promise<number>> {
    const child = this.#fork('load.main.ts');
    await nextMessage(child);
    return async (round) => {
      const answer = nextMessage(child);
      child.send(round);
      return Number(await answer);
    };
  }

  /** nginx with one worker on a Unix socket that does nothing but set a header. */
  async nginx(port: number): Promise<string> {
    const binary = NGINX.find((path) => existsSync(path)) ?? fetchNginx();
    const directory = join(this.directory, 'nginx');
    mkdirSync(directory);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${directory}/${name};`)
      .join(' ');
    const socket = join(this.directory, 'nginx.sock');
    writeFileSync(
      join(directory, 'nginx.conf'),
      `user root; daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 4096; }
http { access_log off; ${temporary} keepalive_requests 1000000000; client_max_body_size 0;
  upstream u { server 127.0.0.1:${port}; keepalive 64; keepalive_requests 1000000000; }
  server { listen unix:${socket};
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
      proxy_set_header Connection ""; proxy_set_header X-Api-Key "sk-bench-key-000000000000000000"; } } }
`,
    );
    this.#keep(spawn(binary, ['-p', directory, '-c', join(directory, 'nginx.conf')], { stdio: 'ignore', ...APART }));
    await listening(socket);
    return socket;
  }

  /** mitmproxy as a reverse proxy that sets a header, on a port, since it has no Unix sockets. Gives the port. */
  async mitmproxy(port: number): Promise<number> {
    const binary = existsSync(MITMDUMP) ? MITMDUMP : installMitmproxy();
    const own = await freePort();
    const mode = `reverse:http://127.0.0.1:${port}@127.0.0.1:${own}`;
    const args = ['-q', '--set', `confdir=${join(this.directory, 'mitmproxy')}`, '--mode', mode];
    args.push('--modify-headers', '/~q/X-Api-Key/sk-bench-key-000000000000000000');
    this.#keep(spawn(binary, args, { stdio: 'ignore', ...APART }));
    await listening(own);
    return own;
  }

  /** Our proxy as it ships and as the service manager starts it, with injection, rules, limits and its log, configured the way the launcher does. */
  async proxy(port: number, { flags = [], files = bundled(), atOnce = false }: ProxyVariant = {}): Promise<OurProxy> {
    this.#proxies += 1;
    const number = this.#proxies;
    const base = join(this.directory, `proxy-${number}`);
    const logs = join(this.directory, 'access', `proxy-${number}`);
    mkdirSync(logs, { recursive: true });
    chmodSync(this.directory, 0o755);
    chownSync(logs, UID, UID);
    const agent = listenUnix(`${base}.sock`, { mode: 0o666 });
    const admin = listenUnix(`${base}.admin`, { mode: 0o600 });
    const openLog = (): number => openSync(`${base}.log`, 'a');
    const log = openLog();
    const file = join(files, 'lib/proxy.js');
    const environment = {
      PATH: '/usr/bin:/bin',
      NODE_COMPILE_CACHE: join(this.directory, 'compile-cache'),
      MALLOC_ARENA_MAX: '1',
      MALLOC_TRIM_THRESHOLD_: '524288',
    };
    if (number === 1) execFileSync(process.execPath, [file, '--version'], { env: environment, stdio: 'ignore' });
    const args = [
      '--max-semi-space-size=4',
      '--no-parallel-scavenge',
      '--v8-pool-size=1',
      '--disable-sigusr1',
      ...flags,
      file,
      '--access-logs',
      join(this.directory, 'access'),
      ...(atOnce ? ['--at-once'] : []),
    ];
    this.#tree ??= CgroupTree.open(`bureau-bench-${process.pid}`);
    const start = performance.now();
    const member = await PoolMember.start(
      { command: process.execPath, args, environment, openLog },
      this.#tree.group(`proxy-${number}`),
      systemClock,
    );
    this.#members.push(member);
    this.#outlivedBy(member.pid);
    await member.warm;
    const ordered = performance.now();
    member.order([UID, number, 0], [log, agent, admin]);
    for (const fd of [agent, admin, log]) closeSync(fd);
    await member.ready();
    await configure(`${base}.admin`, port);
    await firstAnswer(`${base}.sock`);
    const end = performance.now();
    return { socket: `${base}.sock`, pid: member.pid, cold: end - start, warm: end - ordered };
  }

  /** A bare `node:http` server: what Node itself costs. Gives its process and the milliseconds to its first answer. */
  async bareNode(): Promise<{ pid: number; started: number }> {
    const socket = join(this.directory, `bare-${this.#children.length}.sock`);
    const code = `require('node:http').createServer((q, r) => r.end('{}')).listen(${JSON.stringify(socket)})`;
    const start = performance.now();
    const child = spawn(process.execPath, ['-e', code], { stdio: 'ignore', env: {}, ...APART });
    this.#keep(child);
    await listening(socket);
    await firstAnswer(socket);
    return { pid: child.pid as number, started: performance.now() - start };
  }

  #fork(file: string): ChildProcess {
    const child = fork(join(import.meta.dirname, file), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], ...APART });
    return this.#keep(child);
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#children.push(child);
    if (child.pid !== undefined) this.#outlivedBy(child.pid);
    return child;
  }

  #outlivedBy(pid: number): void {
    this.#reaper.stdin.write(`${pid}\n`);
  }
}

/** Proportional memory of a process, in MB. */
export function memoryOf(pid: number): number {
  return Number(/^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1_000;
}

/** The bundles of this checkout; made when a source has changed. */
function bundled(): string {
  const name = execFileSync(process.execPath, [join(ROOT, 'build/bundle.ts')], { encoding: 'utf8', timeout: CHILD_MILLISECONDS }).trim();
  return join(ROOT, '.build', name);
}

/** Debian's nginx without its service: the package's files, unpacked. */
function fetchNginx(): string {
  const target = NGINX_FILES;
  mkdirSync(target, { recursive: true });
  execFileSync('/bin/sh', ['-c', `cd ${target} && apt-get download nginx >/dev/null 2>&1 && dpkg -x nginx_*.deb .`], {
    timeout: CHILD_MILLISECONDS,
  });
  return join(target, 'usr/sbin/nginx');
}

/** A virtual environment of its own, kept for the next time. */
function installMitmproxy(): string {
  const options = { stdio: 'ignore', timeout: 10 * CHILD_MILLISECONDS } as const;
  execFileSync('/usr/bin/python3', ['-m', 'venv', MITMPROXY_FILES], options);
  execFileSync(join(MITMPROXY_FILES, 'bin/pip'), ['install', '-q', MITMPROXY_PACKAGE], options);
  return MITMDUMP;
}

/** A port that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function configure(path: string, port: number): Promise<void> {
  const header = {
    v: 1,
    principal: 'bench/one',
    machine: 'machine/bench',
    user_id: '@bench/one:bench.local',
    issued_at: 1,
    expires_at: Date.now() + 3_600_000,
    // Counted, but out of the way of a load that no agent makes.
    limits: {
      requests_per_second: 100_000,
      requests_burst: 100_000,
      traffic_bytes_per_second: 2 ** 40,
      traffic_burst_bytes: 2 ** 50,
    },
    upstreams: {
      api: {
        url: `http://127.0.0.1:${port}`,
        inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }],
        methods: ['GET', 'POST'],
        paths: ['/small', '/events', '/down', '/up'],
      },
    },
  };
  using admin = await connect({ path, contract: proxyContract, role: 'launcher', build: 'bench', expectUid: UID, clock: systemClock });
  const secrets = Buffer.from(pack(new Map([['API_KEY', Buffer.from('sk-bench-key-000000000000000000')]])));
  await admin.call('configure', { principal: 'bench/one' as never, header: Buffer.from(JSON.stringify(header)), secrets });
}

/** Resolves when something accepts on the socket. */
async function listening(to: string | number): Promise<void> {
  for (let tries = 0; tries < 10_000; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = (typeof to === 'string' ? connectSocket(to) : connectSocket(to, '127.0.0.1')).once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`nothing listens on ${to}`);
}

function firstAnswer(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(path).once('error', reject);
    socket.once('data', () => resolve(void socket.destroy())).write('GET /v1/identity HTTP/1.1\r\nhost: bench\r\n\r\n');
  });
}

/** The next message of a child; rejects when it ends or is silent for too long. */
function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error, message?: unknown): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      if (error === undefined) resolve(message);
      else reject(error);
    };
    const onMessage = (message: unknown): void => settle(undefined, message);
    const onExit = (code: number | null): void => settle(new Error(`a benchmark process ended early with ${String(code)}`));
    const timer = setTimeout(() => settle(new Error('a benchmark process was silent for too long')), CHILD_MILLISECONDS);
    child.on('message', onMessage).on('exit', onExit);
  });
}
