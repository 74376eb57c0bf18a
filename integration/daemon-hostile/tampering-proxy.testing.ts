// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until, type Stand } from '@bureau/testkit';
import { statusOf } from './stand.testing.ts';

const WAIT_MILLISECONDS = 40_000;

/** One answer of the real homeserver on its way to the daemon. */
export interface Passing {
  readonly method: string;
  /** Path and query, as the daemon asked. */
  readonly url: URL;
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What a test does with a request of the daemon's, before the homeserver sees it or after it has answered. */
export interface Tampering {
  /** May change the query; an answer instead of asking the homeserver. */
  readonly before?: (request: { readonly method: string; readonly url: URL }) => 'pass' | ((response: ServerResponse) => void);
  /** May change the answer. */
  readonly after?: (answer: Passing) => void;
}

/** Stands between the daemon and the real homeserver, and does to what passes what a test says. */
export class TamperingProxy implements AsyncDisposable {
  readonly #stand: Stand;
  readonly #server: Server;
  readonly #upstream: string;
  readonly #machineFile: string;
  #tampering: Tampering = {};
  /** Every sync that was asked for, by its position. */
  readonly syncs: (string | null)[] = [];

  private constructor(stand: Stand) {
    this.#stand = stand;
    this.#upstream = stand.facts.homeserver;
    this.#machineFile = readFileSync(stand.paths.machineFile, 'utf8');
    this.#server = createServer((request, response) => {
      // A daemon that is cut off or killed takes no answer, which is what a test wants of it.
      response.on('error', () => undefined);
      void this.#pass(request, response).catch(() => response.destroy());
    });
  }

  /** Puts itself between, and resolves when the daemon syncs through it. */
  static async between(stand: Stand): Promise<TamperingProxy> {
    const made = new TamperingProxy(stand);
    await new Promise<void>((resolve) => made.#server.listen(0, '127.0.0.1', resolve));
    const { port } = made.#server.address() as AddressInfo;
    const machine = JSON.parse(made.#machineFile) as object;
    // An existing file keeps its owner and mode.
    writeFileSync(stand.paths.machineFile, JSON.stringify({ ...machine, homeserverUrl: `http://127.0.0.1:${port}` }));
    await made.restartDaemon();
    return made;
  }

  /** What is done from now on; nothing when empty. The sync that waits is cut, so that the next one meets it. */
  tamper(tampering: Tampering = {}): void {
    this.#tampering = tampering;
    this.#server.closeAllConnections();
  }

  /** Kills the daemon; resolves when its successor is live. */
  async restartDaemon(): Promise<void> {
    const { pid } = this.#stand.process('daemon');
    const known = this.syncs.length;
    process.kill(pid, 'SIGKILL');
    await until('another daemon, live', WAIT_MILLISECONDS, async () => {
      return this.syncs.length > known && (await statusOf(this.#stand))?.sync === 'live';
    });
  }

  /** Resolves when the daemon has taken every answer up to now: it has asked for more than one sync since. */
  async taken(): Promise<void> {
    const known = this.syncs.length;
    await until('the daemon has asked on', WAIT_MILLISECONDS, () => this.syncs.length >= known + 2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    writeFileSync(this.#stand.paths.machineFile, this.#machineFile);
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', this.#upstream);
    const isSync = url.pathname.endsWith('/sync');
    if (isSync) {
      this.syncs.push(url.searchParams.get('since'));
      // A test does not wait for a silent homeserver.
      if (Number(url.searchParams.get('timeout')) > 1_000) url.searchParams.set('timeout', '1000');
    }
    const verdict = this.#tampering.before?.({ method, url }) ?? 'pass';
    if (verdict !== 'pass') return verdict(response);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const answer = await fetch(url, {
      method,
      headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
      ...(pieces.length === 0 ? {} : { body: Buffer.concat(pieces) }),
      signal: gone.signal,
    });
    const passing: Passing = {
      method,
      url,
      status: answer.status,
      headers: { 'content-type': 'application/json' },
      body: await answer.text(),
    };
    this.#tampering.after?.(passing);
    response.writeHead(passing.status, passing.headers).end(passing.body);
  }
}

/** Whether this is an answer to a sync. */
export function isSync({ url }: Pick<Passing, 'url'>): boolean {
  return url.pathname.endsWith('/sync');
}
