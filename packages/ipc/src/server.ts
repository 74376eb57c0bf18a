// SPDX-License-Identifier: Apache-2.0
import { createServer, type Socket } from 'node:net';
import { BureauError, type Clock } from '@bureau/core';
import { peerCredentials } from '@bureau/native';
import type { Contract } from '@bureau/protocol';
import { toWire } from './errors.ts';
import { Codec } from './codec.ts';
import { PREFIX_BYTES } from './frame-decoder.ts';
import type { CallContext, Handlers, Peer } from './handlers.ts';
import { withDefaults, type IpcLimits } from './limits.ts';
import { silentLog, type Log } from './log.ts';
import { ServerConnection, type BoundMethod, type ServerOptions } from './server-connection.ts';

/** What a server offers, to whom, and where it listens. */
export interface ServeOptions<C extends Contract> {
  /** An inherited listening descriptor; the server owns it from now on. */
  readonly fd?: number;
  /** Or a path to listen at, for tests. Permissions are the caller's. */
  readonly path?: string;
  readonly contract: C;
  readonly handlers: Handlers<C>;
  /** What this process is (`launcher`), for the hello and messages. */
  readonly role: string;
  readonly build: string;
  /** Who may connect, by the kernel's word. Everyone else is told `peer_refused` and closed. */
  readonly allowUids: readonly number[] | ((peer: Peer) => boolean);
  readonly clock: Clock;
  readonly logger?: Log;
  /** Told of each request that never reaches its handler: `unknown_method`, `invalid_input`, `too_busy`. For audits. */
  readonly onRefused?: (method: string, error: BureauError, context: CallContext) => void;
  readonly limits?: Partial<IpcLimits>;
  /** Reads the peer of a socket; for tests of refused peers. */
  readonly peerOf?: (socket: Socket) => Peer;
}

/** A listening server. `close` drains: no new connections and requests, streams end, calls have `drainMilliseconds`. Idempotent. */
export interface IpcServer {
  /** Connections at this moment. */
  readonly connections: number;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where a server listens. */
export type ListenAt = { readonly fd: number } | { readonly path: string };

/** What a listener tells its owner, once it listens. */
export interface ListenerEvents {
  socket(socket: Socket): void;
  /** Accept fails for want of descriptors, for instance. The listener goes on. */
  error(error: Error): void;
}

/** Something that accepts connections, of whatever engine. `net.Server` is one. */
export interface Listener {
  /** Accepts no more, at once; calls back when the connections that it accepted have ended. */
  close(closed: () => void): unknown;
}

/** Starts to listen: the part of a server that another engine replaces. Resolves when it accepts connections. */
export type Listen = (at: ListenAt, events: ListenerEvents) => Promise<Listener>;

/** Serves a contract on a Unix socket. Resolves when it accepts connections; rejects with `system_call_failed`-like errors of Node. */
export function serve<C extends Contract>(options: ServeOptions<C>): Promise<IpcServer> {
  return serveThrough(listenNet, options);
}

/** `serve` on another engine: all but `listen` is the same. */
export async function serveThrough<C extends Contract>(listen: Listen, options: ServeOptions<C>): Promise<IpcServer> {
  const server = new RpcServer(options);
  await server.listen(listen, options.fd !== undefined ? { fd: options.fd } : { path: requiredPath(options.path) });
  return server;
}

function requiredPath(path: string | undefined): string {
  if (path === undefined) throw new TypeError('serve() needs fd or path');
  return path;
}

function listenNet(at: ListenAt, events: ListenerEvents): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => events.socket(socket));
    server.once('error', reject);
    server.listen(at, () => {
      server.removeListener('error', reject);
      server.on('error', (error) => events.error(error));
      resolve(server);
    });
  });
}

class RpcServer implements IpcServer {
  #listener: Listener | undefined;
  readonly #shared: ServerOptions;
  readonly #allow: (peer: Peer) => boolean;
  readonly #peerOf: (socket: Socket) => Peer;
  readonly #connections = new Set<ServerConnection>();
  #closing: Promise<void> | undefined;

  constructor(options: ServeOptions<Contract>) {
    const { allowUids, contract } = options;
    this.#shared = {
      contract,
      methods: bindMethods(contract, options.handlers),
      role: options.role,
      build: options.build,
      clock: options.clock,
      log: options.logger ?? silentLog,
      limits: withDefaults(options.limits),
      ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
    };
    this.#allow = typeof allowUids === 'function' ? allowUids : (peer) => allowUids.includes(peer.uid);
    this.#peerOf = options.peerOf ?? peerCredentials;
  }

  get connections(): number {
    return this.#connections.size;
  }

  async listen(listen: Listen, at: ListenAt): Promise<void> {
    this.#listener = await listen(at, {
      socket: (socket) => this.#onSocket(socket),
      // Those who are connected are not harmed.
      error: (error) => this.#shared.log.error({ err: error }, 'ipc: the listener failed'),
    });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { clock, limits } = this.#shared;
    const listenerClosed = new Promise<void>((resolve) => this.#listener?.close(() => resolve()));
    const all = [...this.#connections];
    for (const connection of all) connection.drain();
    const timer = clock.setTimer(limits.drainMilliseconds, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    const forced = Promise.withResolvers<void>();
    const giveUp = clock.setTimer(limits.drainMilliseconds * 2, () => forced.resolve());
    // A handler that ignores its signal must not hold the server for ever.
    await Promise.race([Promise.all([...all.map((connection) => connection.closed), listenerClosed]), forced.promise]);
    timer.clear();
    giveUp.clear();
  }

  #onSocket(socket: Socket): void {
    socket.on('error', () => {});
    const refusal = this.#refusal(socket);
    if (refusal instanceof BureauError) return this.#refuse(socket, refusal);
    const connection = new ServerConnection(socket, refusal, this.#shared);
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  /** The peer, or why it may not stay. */
  #refusal(socket: Socket): Peer | BureauError {
    const { limits, log, role } = this.#shared;
    let peer: Peer;
    try {
      peer = this.#peerOf(socket);
    } catch (error) {
      return new BureauError('peer_refused', `"${role}" cannot tell who connects.`, { cause: error });
    }
    if (!this.#allow(peer)) {
      log.warn({ peer }, 'ipc: a peer with a uid that is not allowed was refused');
      return new BureauError('peer_refused', `"${role}" does not serve uid ${peer.uid}.`, { data: { uid: peer.uid } });
    }
    if (this.#connections.size < limits.maxConnections) return peer;
    log.warn({ peer, limit: limits.maxConnections }, 'ipc: too many connections');
    return new BureauError('too_busy', `"${role}" has ${limits.maxConnections} connections already. Close one, or wait.`);
  }

  /** One frame that says why, then the end; what the peer sends is not read. */
  #refuse(socket: Socket, error: BureauError): void {
    const { clock, limits } = this.#shared;
    new Codec(limits).encode({ type: 'fault', ...toWire(error) }, (bytes, start, end) => {
      const frame = Buffer.allocUnsafeSlow(PREFIX_BYTES + end - start);
      frame.writeUInt32BE(end - start);
      bytes.copy(frame, PREFIX_BYTES, start, end);
      socket.write(frame);
    });
    const linger = clock.setTimer(limits.drainMilliseconds, () => socket.destroy());
    socket.once('close', () => linger.clear());
    socket.destroySoon();
  }
}

function bindMethods(contract: Contract, handlers: Handlers<Contract>): ReadonlyMap<string, BoundMethod> {
  const bound = new Map<string, BoundMethod>();
  for (const [name, method] of Object.entries(contract.methods)) {
    const handler = (handlers as Record<string, unknown>)[name];
    if (typeof handler !== 'function') throw new TypeError(`serve() needs a handler for ${contract.name}.${name}`);
    bound.set(name, { contract: method, handler: handler.bind(handlers) as BoundMethod['handler'] });
  }
  return bound;
}
