// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as the upstream saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers instead of the usual behaviour; `false` leaves it to that. */
export type Script = (request: SeenRequest, response: ServerResponse) => boolean | Promise<boolean>;

/** The few calls of the Matrix API that the proxy makes, answered as Synapse does, and a record of what arrived. */
export class HomeserverStandIn implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly tokens = new Set<string>();
  readonly aliases = new Map<string, string>();
  readonly #events = new Map<string, string>();
  readonly #server: Server;
  script: Script | undefined;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(port = 0): Promise<HomeserverStandIn> {
    const homeserver = new HomeserverStandIn();
    await new Promise<void>((resolve, reject) => {
      homeserver.#server.once('error', reject);
      homeserver.#server.listen(port, '127.0.0.1', () => resolve());
    });
    return homeserver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const seen: SeenRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    this.seen.push(seen);
    if (this.script !== undefined && (await this.script(seen, response))) return;
    this.#behave(seen, response);
  }

  #behave(seen: SeenRequest, response: ServerResponse): void {
    const token = /^Bearer (.+)$/.exec(seen.headers.authorization ?? '')?.[1];
    if (token === undefined || !this.tokens.has(token))
      return json(response, 401, { errcode: 'M_UNKNOWN_TOKEN', error: 'Invalid access token passed.', soft_logout: false });
    const alias = /^\/_matrix\/client\/v3\/directory\/room\/([^/]+)$/.exec(seen.url)?.[1];
    if (alias !== undefined && seen.method === 'GET') {
      const room = this.aliases.get(decodeURIComponent(alias));
      return room === undefined
        ? json(response, 404, { errcode: 'M_NOT_FOUND', error: 'Room alias not found.' })
        : json(response, 200, { room_id: room, servers: ['test.local'] });
    }
    const send = /^\/_matrix\/client\/v3\/rooms\/([^/]+)\/send\/m\.room\.message\/([^/]+)$/.exec(seen.url);
    if (send === null || seen.method !== 'PUT') return json(response, 404, { errcode: 'M_UNRECOGNIZED', error: 'Unrecognized request' });
    const key = `${send[1]}/${send[2]}`;
    const event = this.#events.get(key) ?? `$event-${this.#events.size + 1}`;
    this.#events.set(key, event);
    json(response, 200, { event_id: event });
  }
}

/** Writes a JSON answer. */
export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
