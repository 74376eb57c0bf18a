// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseRoomId, parseUserId, type Clock } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { MachineSync, type MachineSyncOptions } from '../machine-sync.ts';

export const ROOM = parseRoomId('!config:bureau.test');
export const MACHINE = parseUserId('@machine/vm:bureau.test');
export const OPERATOR = '@bureau-admin:bureau.test';
export const ASSIGNMENT = 'm.bureau.assignment';

const WAIT_MILLISECONDS = 20_000;

const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds).unref();
    return { clear: () => clearTimeout(timer) };
  },
};

/** One request that the homeserver under test gets. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

/** What a test lets it answer: a value is JSON with status 200; a function answers by itself. */
export type Reply = object | ((response: ServerResponse) => void);

/** A homeserver whose every answer a test decides: what a real one never says. Without an answer a request waits. */
export class ScriptedHomeserver {
  readonly asked: Asked[] = [];
  /** Decides; `undefined` lets the request wait. */
  answer: (asked: Asked) => Reply | undefined = () => undefined;
  url = '';
  readonly #waiting: { asked: Asked; response: ServerResponse }[] = [];

  static async start(context: TestContext): Promise<ScriptedHomeserver> {
    const made = new ScriptedHomeserver();
    const server = createServer((request, response) => void made.#take(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    made.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    context.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return made;
  }

  /** Asks `answer` anew for what waits. */
  look(): void {
    for (const { asked, response } of this.#waiting.splice(0)) this.#reply(asked, response);
  }

  /** Those whose path begins so. */
  to(start: string): Asked[] {
    return this.asked.filter(({ path }) => path.startsWith(start));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const piece of request) text += String(piece);
    const url = new URL(request.url ?? '', 'http://x');
    const asked = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname.replace('/_matrix/client/v3', '')),
      query: url.searchParams,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
    this.asked.push(asked);
    this.#reply(asked, response);
  }

  #reply(asked: Asked, response: ServerResponse): void {
    const reply = this.answer(asked);
    if (reply === undefined) this.#waiting.push({ asked, response });
    else if (typeof reply === 'function') reply(response);
    else response.end(JSON.stringify(reply));
  }
}

/** A logger that keeps its lines. */
export function keepingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (facts: object, text: string): void => void lines.push(`${text} ${JSON.stringify(facts)}`);
  const hush = (): void => undefined;
  return { lines, info: keep, warn: keep, error: keep, debug: hush } as unknown as Logger & { readonly lines: string[] };
}

export function directory(context: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'bureau-sync-'));
  context.after(() => rmSync(made, { recursive: true }));
  return made;
}

/** A sync of this homeserver's, ended with the test. */
export function syncOf(
  context: TestContext,
  homeserverUrl: string,
  options: Partial<MachineSyncOptions> & Pick<MachineSyncOptions, 'directory'>,
): MachineSync {
  const sync = new MachineSync({
    homeserverUrl,
    userId: MACHINE,
    accessToken: 'syt_test',
    clock: realClock,
    logger: keepingLogger(),
    onChange: () => undefined,
    rooms: [ROOM],
    stateTypes: ['m.room.create', ASSIGNMENT],
    accepts: () => false,
    ...options,
  });
  context.after(() => sync.stop());
  return sync;
}

/** Resolves when `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  const late = performance.now() + WAIT_MILLISECONDS;
  while (!condition()) {
    if (performance.now() > late) throw new Error(`Not within ${WAIT_MILLISECONDS} ms: ${condition.toString()}`);
    await new Promise(setImmediate);
  }
}

/** An assignment as the homeserver says it. */
export function assignment(key: string, eventId: string, content: object = { v: 1 }, sender = OPERATOR): Record<string, unknown> {
  return { type: ASSIGNMENT, state_key: key, sender, event_id: eventId, origin_server_ts: 1, content };
}

/** An answer to a sync with this state after its timeline. */
export function news(position: string, state: readonly unknown[], more: object = {}): object {
  return { next_batch: position, rooms: { join: { [ROOM]: { state_after: { events: state }, timeline: { events: [] }, ...more } } } };
}
