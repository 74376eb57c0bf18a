// SPDX-License-Identifier: Apache-2.0
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type IpcClient } from '@bureau/ipc';
import { createLogger } from '@bureau/log';
import { systemClock } from '@bureau/process';
import { proxyContract, type AuthorizationList } from '@bureau/protocol';
import { pack } from 'msgpackr';
import { startProxy, type Proxy, type ProxyLimits, type ProxyOptions } from '../index.ts';
import { HomeserverStandIn } from './homeserver-stand-in.ts';

/** What looks like a Synapse access token. */
export const TOKEN = 'syt_cHJvYmUvb25l_aSecretThatNobodySees_2xYz';
export const PRINCIPAL = 'probe/one';
const NEVER = Date.UTC(2100, 0);
/** Ends a test that waits for something that never comes. */
const RAW_DEADLINE_MILLISECONDS = 10_000;

export interface BundleOverrides {
  readonly principal?: string;
  readonly token?: string;
  readonly url?: string;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly upstream?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
}

/** The header and secrets of a bundle that only has a homeserver. */
export function bundle(
  url: string,
  overrides: BundleOverrides = {},
): { principal: string; header: Uint8Array<ArrayBuffer>; secrets: Uint8Array<ArrayBuffer> } {
  const principal = overrides.principal ?? PRINCIPAL;
  const header = {
    v: 1,
    principal,
    machine: 'machine/test',
    user_id: `@${principal}:test.local`,
    issued_at: 1,
    expires_at: NEVER,
    upstreams: {
      matrix: {
        url: overrides.url ?? url,
        inject: [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }],
        ...overrides.upstream,
      },
    },
    ...overrides.header,
  };
  const secrets = overrides.secrets ?? { MATRIX_TOKEN: Buffer.from(overrides.token ?? TOKEN) };
  return { principal, header: Buffer.from(JSON.stringify(header)), secrets: Buffer.from(pack(new Map(Object.entries(secrets)))) };
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export interface FixtureOptions {
  readonly limits?: Partial<ProxyLimits>;
  readonly payloadUid?: number;
  readonly adminUids?: readonly number[];
  /** Leave the proxy without keys. */
  readonly unconfigured?: boolean;
  readonly bundle?: BundleOverrides;
  readonly addresses?: ProxyOptions['addresses'];
  readonly accessLogDirectory?: string;
}

/** A real proxy on real sockets in a directory of its own, before a stand-in of a homeserver; its log is kept. */
export class ProxyFixture implements AsyncDisposable {
  readonly proxy: Proxy;
  readonly homeserver: HomeserverStandIn;
  readonly directory: string;
  readonly agentPath: string;
  readonly adminPath: string;
  /** Everything that any client of this fixture has read from the agent's socket. */
  readonly received: string[] = [];
  /** What `configure` was last given. */
  bundle: BundleOverrides = {};
  readonly #logFd: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  #admin: IpcClient<typeof proxyContract> | undefined;

  private constructor(proxy: Proxy, homeserver: HomeserverStandIn, directory: string, logFd: number) {
    this.proxy = proxy;
    this.homeserver = homeserver;
    this.directory = directory;
    this.agentPath = join(directory, 'proxy.sock');
    this.adminPath = join(directory, 'admin.sock');
    this.#logFd = logFd;
  }

  static async start(options: FixtureOptions = {}): Promise<ProxyFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-proxy-'));
    chmodSync(directory, 0o755);
    const logFd = openSync(join(directory, 'log'), 'a+');
    const homeserver = await HomeserverStandIn.start();
    homeserver.tokens.add(TOKEN);
    const proxy = await startProxy({
      agent: { path: join(directory, 'proxy.sock') },
      admin: { path: join(directory, 'admin.sock') },
      payloadUid: options.payloadUid ?? 0,
      ...(options.adminUids === undefined ? {} : { adminUids: options.adminUids }),
      build: 'test-build',
      clock: systemClock,
      logger: createLogger({ name: 'proxy-test', destination: logFd, level: 'debug' }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.accessLogDirectory === undefined ? {} : { accessLogDirectory: options.accessLogDirectory }),
      ...(options.addresses === undefined ? {} : { addresses: options.addresses }),
    });
    const fixture = new ProxyFixture(proxy, homeserver, directory, logFd);
    chmodSync(fixture.agentPath, 0o666);
    chmodSync(fixture.adminPath, 0o666);
    if (options.unconfigured !== true) await fixture.configure(options.bundle);
    return fixture;
  }

  /** The launcher's side of the admin socket. */
  async admin(): Promise<IpcClient<typeof proxyContract>> {
    this.#admin ??= await connect({
      path: this.adminPath,
      contract: proxyContract,
      role: 'launcher',
      build: 'test-build',
      clock: systemClock,
    });
    return this.#admin;
  }

  /** Grants and denials, as the launcher hands them over. */
  async authorize(authorization: AuthorizationList): Promise<void> {
    await (await this.admin()).call('authorize', { principal: PRINCIPAL as never, authorization });
  }

  async configure(overrides: BundleOverrides = {}): Promise<{ digest: string }> {
    this.bundle = overrides;
    const { principal, header, secrets } = bundle(this.homeserver.url, overrides);
    return (await this.admin()).call('configure', { principal: principal as never, header, secrets });
  }

  /** One request over a kept connection. */
  request(
    method: string,
    path: string,
    options: { headers?: Record<string, string | string[]>; body?: string | Uint8Array; signal?: AbortSignal } = {},
  ): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        socketPath: this.agentPath,
        method,
        path,
        headers: { host: 'bureau', ...options.headers },
        agent: this.#agent,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      request.once('error', reject);
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          this.received.push(JSON.stringify(response.headers), text);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: /json/.test(response.headers['content-type'] ?? '') && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {},
          });
        });
      });
      request.end(options.body);
    });
  }

  /** One request whose answer is read as it comes, on a connection of its own. */
  stream(method: string, path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ socketPath: this.agentPath, method, path, headers: { host: 'bureau' }, agent: false });
      request.once('error', reject).once('response', resolve).end();
    });
  }

  /** Lets real time pass on a connection: for what must survive silence. */
  silence(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  /** Sends a message the way an agent does. */
  send(room: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    return this.request('POST', `/v1/matrix/rooms/${encodeURIComponent(room)}/messages`, {
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });
  }

  /** Writes these bytes to a fresh connection and reads until the proxy closes it; `end` also closes our direction at once. */
  raw(bytes: string | Uint8Array, options: { end?: boolean } = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket(this.agentPath);
      const chunks: Buffer[] = [];
      const timer = setTimeout(() => {
        socket.destroy();
        reject(
          new Error(
            `the proxy kept the connection open for ${RAW_DEADLINE_MILLISECONDS} ms; read: ${Buffer.concat(chunks).toString('latin1')}`,
          ),
        );
      }, RAW_DEADLINE_MILLISECONDS);
      socket.on('data', (chunk) => chunks.push(chunk));
      // A proxy that closes while we still write resets the connection: what it said before is what counts.
      socket.on('error', () => undefined);
      socket.once('close', () => {
        clearTimeout(timer);
        const text = Buffer.concat(chunks).toString('latin1');
        this.received.push(text);
        resolve(text);
      });
      if (options.end === true) socket.end(bytes);
      else socket.write(bytes);
    });
  }

  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** The access lines of the log. */
  accessLines(): Record<string, unknown>[] {
    const lines = this.log()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return lines.filter((line) => line['msg'] === 'request');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#admin?.close();
    await this.proxy.stop();
    await this.homeserver[Symbol.asyncDispose]();
    closeSync(this.#logFd);
    rmSync(this.directory, { recursive: true });
  }
}
