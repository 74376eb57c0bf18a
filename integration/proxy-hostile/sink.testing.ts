// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** A server that never answers; it reads, or it does not. */
export class Sink {
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();

  static async start(reads: boolean): Promise<Sink> {
    const sink = new Sink();
    sink.#server.on('connection', (socket: Socket) => {
      sink.#sockets.add(socket.on('error', () => undefined));
      if (reads) socket.resume();
    });
    sink.#server.listen(0, '127.0.0.1');
    await once(sink.#server, 'listening');
    return sink;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
