// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BureauError } from '@bureau/core';
import { CHECKOUT, until } from '@bureau/testkit';
import { exchange, oneRequest, statuses } from './raw-client.testing.ts';

const INSTALLED = '/usr/sbin/nginx';
/** Unpacked, not installed: Debian's package would start a server. */
const UNPACKED = join(CHECKOUT, '.toolchain/nginx');
const FETCH_MILLISECONDS = 120_000;
const WAIT_MILLISECONDS = 60_000;

/** What nginx makes of a path. */
export interface NginxReading {
  readonly status: number;
  /** The path that its locations are chosen by; empty when it refused. */
  readonly uri: string;
  readonly secret: boolean;
}

/** Debian's nginx on loopback, with a place that is open and one that is not, saying how it read each request. */
export class Nginx implements AsyncDisposable {
  readonly url: string;
  readonly #port: number;
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.url = `http://127.0.0.1:${port}`;
    this.#port = port;
    this.#directory = directory;
    this.#child = child;
  }

  static async start(): Promise<Nginx> {
    const binary = existsSync(INSTALLED) ? INSTALLED : unpacked();
    const directory = mkdtempSync(join(tmpdir(), 'bureau-nginx-'));
    chmodSync(directory, 0o755);
    const port = await freePort();
    writeFileSync(join(directory, 'nginx.conf'), configuration(directory, port));
    const child = spawn(binary, ['-p', directory, '-c', join(directory, 'nginx.conf')], { stdio: 'ignore' });
    const nginx = new Nginx(port, directory, child);
    await until('nginx to listen', WAIT_MILLISECONDS, () => listens(port));
    return nginx;
  }

  /** How it reads this path when it is asked for it directly. */
  async read(path: string): Promise<NginxReading> {
    const answer = await exchange(this.#port, oneRequest('GET', path));
    const uri = / uri=(.*) secret=/.exec(answer)?.[1] ?? '';
    return { status: statuses(answer)[0] ?? 0, uri, secret: answer.includes('secret=SECRET ') };
  }

  /** The host that it takes this `Host` header for, without a port; `undefined` when it refuses. */
  async readHost(host: string): Promise<string | undefined> {
    const answer = await exchange(this.#port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return / host=(.*)\n/.exec(answer)?.[1];
  }

  /** Its log: one line for each request, with the key that came along. A line comes behind its answer, and before the next answer. */
  get log(): string {
    return readFileSync(join(this.#directory, 'access.log'), 'utf8');
  }

  get requests(): number {
    return this.log.split('\n').length - 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await gone;
    }
    rmSync(this.#directory, { recursive: true });
  }
}

function configuration(directory: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`);
  const say = (secret: string): string => `default_type text/plain; return 200 "raw=$request_uri uri=$uri secret=${secret} host=$host\\n";`;
  return `worker_processes 1; user root; daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 512; }
http { log_format seen '$request|$http_x_api_key'; access_log ${directory}/access.log seen; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; location / { ${say('-')} } location /secret { ${say('SECRET')} } } }
`;
}

/** Fetches Debian's package once for each checkout. */
function unpacked(): string {
  const binary = join(UNPACKED, 'usr/sbin/nginx');
  if (existsSync(binary)) return binary;
  mkdirSync(UNPACKED, { recursive: true });
  const shell = ['-c', 'cd "$0" && apt-get download -q nginx && dpkg-deb -x nginx_*.deb .', UNPACKED];
  execFileSync('/bin/sh', shell, { timeout: FETCH_MILLISECONDS, stdio: 'ignore' });
  if (!existsSync(binary)) throw new BureauError('nginx_missing', `Expected Debian's package nginx to hold usr/sbin/nginx in ${UNPACKED}`);
  return binary;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
