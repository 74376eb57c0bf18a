// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { EgressRule } from '@bureau/protocol';
import type { FixtureOptions } from './proxy-fixture.ts';
import { ProxyFixture } from './proxy-fixture.ts';

/** The only addresses that names have in these tests; a name that is not here has none. */
export type Names = Record<string, readonly string[]>;

/** A rule for a server of the test on this machine: loopback has to be listed. */
export function localRule(host: string, port: number, more: Partial<EgressRule> = {}): Record<string, unknown> {
  return { host, ports: [port], cidr: ['127.0.0.1/32'], ...more };
}

/** A proxy with an egress list and a resolver of the test's own; counts what was looked up. */
export class ForwardStand implements AsyncDisposable {
  readonly fixture: ProxyFixture;
  readonly lookedUp: string[];
  /** Called while a name is looked up. */
  onLookUp: (() => Promise<unknown>) | undefined;
  readonly #sockets: Socket[] = [];

  private constructor(fixture: ProxyFixture, lookedUp: string[]) {
    this.fixture = fixture;
    this.lookedUp = lookedUp;
  }

  static async start(names: Names, egress: readonly unknown[], options: FixtureOptions = {}): Promise<ForwardStand> {
    const lookedUp: string[] = [];
    let stand: ForwardStand | undefined;
    const fixture = await ProxyFixture.start({
      ...options,
      bundle: { ...options.bundle, header: { egress, ...options.bundle?.header } },
      addresses: {
        lookUp: async (name) => {
          lookedUp.push(name);
          await stand?.onLookUp?.();
          const found = names[name];
          if (found === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
          return found;
        },
        own: () => ['127.0.0.1', '198.18.0.9'],
      },
    });
    stand = new ForwardStand(fixture, lookedUp);
    return stand;
  }

  /** Asks for a tunnel; resolves with the status line and headers, and the socket that goes on from there. */
  async tunnel(target: string, lines: readonly string[] = [`Host: ${target}`]): Promise<{ status: number; head: string; socket: Socket }> {
    const socket = connect(this.fixture.agentPath);
    this.#sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write([`CONNECT ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    const head = await new Promise<string>((resolve) => {
      let read = '';
      const onClose = (): void => resolve(read);
      const onData = (piece: Buffer): void => {
        read += piece.toString('latin1');
        if (!read.includes('\r\n\r\n')) return;
        socket.off('data', onData).off('close', onClose);
        resolve(read);
      };
      socket.on('data', onData).once('close', onClose);
    });
    socket.pause();
    return { status: Number(head.slice(9, 12)), head, socket };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.fixture[Symbol.asyncDispose]();
  }
}

/** A server on 127.0.0.1 that counts its connections. */
export class LocalServer<Kind extends Server | HttpServer> implements AsyncDisposable {
  readonly server: Kind;
  connections = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Kind) {
    this.server = server;
    server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    });
  }

  static async of<Kind extends Server | HttpServer>(server: Kind): Promise<LocalServer<Kind>> {
    const local = new LocalServer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return local;
  }

  static tcp(onConnection: (socket: Socket) => void): Promise<LocalServer<Server>> {
    return LocalServer.of(createServer({ allowHalfOpen: true }, onConnection));
  }

  static http(onRequest: (request: IncomingMessage, response: ServerResponse) => void): Promise<LocalServer<HttpServer>> {
    return LocalServer.of(createHttpServer(onRequest));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

/** Reads a socket to its end; a reset is an end too. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
  return Buffer.concat(pieces);
}
