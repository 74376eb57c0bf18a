// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An API that wants a key and tells events: `/events?count=N&every=MS`, and `/words`. */
export class EventApi implements AsyncDisposable {
  /** The `x-api-key` of each request. */
  readonly keys: (string | undefined)[] = [];
  readonly #server: Server;

  private constructor(key: string) {
    this.#server = createServer((request, response) => {
      const given = request.headers['x-api-key'];
      this.keys.push(typeof given === 'string' ? given : undefined);
      if (given !== key) return void response.writeHead(401).end('no key');
      const url = new URL(request.url ?? '', 'http://api');
      // A careless API says back what it was sent, in a header and in bodies.
      response.setHeader('x-echo', given);
      if (url.pathname !== '/events') return void response.end(`words for ${given}`);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      let left = Number(url.searchParams.get('count'));
      const timer = setInterval(
        () => {
          response.write(`id: ${left}\ndata: tick\n: ${given}\n\n`);
          left -= 1;
          if (left > 0) return;
          clearInterval(timer);
          response.end();
        },
        Number(url.searchParams.get('every')),
      );
      response.once('close', () => clearInterval(timer));
    });
  }

  static async start(key: string): Promise<EventApi> {
    const api = new EventApi(key);
    api.#server.listen(0, '127.0.0.1');
    await once(api.#server, 'listening');
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
