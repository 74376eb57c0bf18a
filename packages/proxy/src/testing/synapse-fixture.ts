// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHomeserver, type TestHomeserver, type TestHomeserverOptions } from '@bureau/testkit/homeserver';
import { ProxyFixture, type FixtureOptions } from './proxy-fixture.ts';

/** One account of the test's homeserver, by plain fetch. */
export interface TestUser {
  readonly userId: string;
  readonly token: string;
  /** A call below `/_matrix/client/v3`; throws on another status than 200. */
  call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
}

/** One event of a stream as a client reads it. */
export interface ReadEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** A real Synapse, and proxies for its accounts. */
export class SynapseFixture implements AsyncDisposable {
  readonly #homeserver: TestHomeserver;
  readonly #directory: string;

  private constructor(homeserver: TestHomeserver, directory: string) {
    this.#homeserver = homeserver;
    this.#directory = directory;
  }

  static async start(uid: number, options: Pick<TestHomeserverOptions, 'presence'> = {}): Promise<SynapseFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-proxy-synapse-'));
    chmodSync(directory, 0o711);
    return new SynapseFixture(await startHomeserver({ ...options, directory: join(directory, 'homeserver'), uid }), directory);
  }

  /** Where it listens. */
  get url(): string {
    return this.#homeserver.url;
  }

  /** Registers an account by the registration token, as an operator does. */
  async user(name: string): Promise<TestUser> {
    const url = `${this.#homeserver.url}/_matrix/client/v3/`;
    const token = readFileSync(this.#homeserver.tokenFile, 'latin1').trim();
    const register = async (auth: object): Promise<Record<string, unknown>> => {
      const body = JSON.stringify({ username: name, password: `password of ${name}`, device_id: 'TEST', ...auth });
      const response = await fetch(`${url}register`, { method: 'POST', body });
      return (await response.json()) as Record<string, unknown>;
    };
    const { session } = await register({});
    await register({ auth: { type: 'm.login.registration_token', token, session } });
    const made = await register({ auth: { type: 'm.login.dummy', session } });
    if (typeof made['access_token'] !== 'string') throw new Error(`no account ${name}: ${JSON.stringify(made)}`);
    const accessToken = made['access_token'];
    return {
      userId: String(made['user_id']),
      token: accessToken,
      call: async (method, path, body) => {
        const response = await fetch(`${url}${path}`, {
          method,
          headers: { authorization: `Bearer ${accessToken}` },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        if (response.status !== 200) throw new Error(`${method} ${path}: ${response.status} ${text}`);
        return JSON.parse(text) as Record<string, unknown>;
      },
    };
  }

  /** A proxy that holds the key of this account. */
  proxyOf(user: TestUser, options: Omit<FixtureOptions, 'bundle'> = {}): Promise<ProxyFixture> {
    const bundle = { url: this.#homeserver.url, token: user.token, header: { user_id: user.userId } };
    return ProxyFixture.start({ ...options, bundle });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#homeserver.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Reads server-sent events from the agent's socket until it is broken off. */
export class EventReader implements AsyncDisposable {
  readonly #response: IncomingMessage;
  readonly #seen: ReadEvent[] = [];
  readonly #waiting: (() => void)[] = [];
  #rest = '';
  /** Comments so far. */
  heartbeats = 0;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    response.on('error', () => undefined);
  }

  static open(agentPath: string, options: { lastEventId?: string } = {}): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const headers = { host: 'bureau', ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }) };
      const request = get({ socketPath: agentPath, path: '/v1/matrix/events', headers, agent: false }, (response) => {
        if (response.statusCode !== 200 || response.headers['content-type'] !== 'text/event-stream')
          return reject(new Error(`expected a stream of events, found ${response.statusCode}`));
        resolve(new EventReader(response));
      });
      request.once('error', reject);
    });
  }

  /** The first event from now on that fits, waited for; those before it are dropped. */
  async next(fits: (event: ReadEvent) => boolean, milliseconds = 15_000): Promise<ReadEvent> {
    const until = Date.now() + milliseconds;
    for (;;) {
      const at = this.#seen.findIndex(fits);
      const found = this.#seen[at];
      if (found !== undefined) {
        this.#seen.splice(0, at + 1);
        return found;
      }
      if (Date.now() > until) throw new Error(`expected another event; there were ${JSON.stringify(this.#seen)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, until - Date.now()));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#response.destroy();
    await new Promise<void>((resolve) => (this.#response.closed ? resolve() : this.#response.once('close', () => resolve())));
  }

  #take(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) {
      if (block.startsWith(':')) {
        this.heartbeats += 1;
        continue;
      }
      const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
      this.#seen.push({
        event: fields.get('event') ?? '',
        id: fields.get('id'),
        data: JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>,
      });
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
