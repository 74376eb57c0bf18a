// SPDX-License-Identifier: Apache-2.0
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { describeError, type Clock } from '@bureau/core';
import { newTraceId, type Logger } from '@bureau/log';
import { peerCredentials } from '@bureau/native';
import type { AccessLog } from './access-log.ts';
import type { AgentApi } from './agent-api.ts';
import { AgentRequest } from './agent-request.ts';
import { BODY_BROKEN } from './body.ts';
import type { Tunnels } from './forward/tunnels.ts';
import { isForwardTarget } from './upstreams/forward.ts';
import type { ProxyLimits } from './limits.ts';
import type { Problem } from './problem.ts';
import { endWithProblem, problemOfParser } from './raw-answers.ts';

export interface AgentServerOptions {
  /** The inherited listener, or for tests a path to bind. */
  readonly listen: { readonly fd: number } | { readonly path: string };
  /** The only uid that may connect. */
  readonly payloadUid: number;
  readonly api: AgentApi;
  /** Takes the connections on which CONNECT is asked. */
  readonly tunnels: Tunnels;
  readonly access: AccessLog;
  readonly limits: ProxyLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Refused connections that are logged one by one; then every thousandth, so that a flood does not fill the disk. */
const REFUSALS_LOGGED = 10;

/** The agent's socket: strict HTTP/1.1 for one uid, with every wait and every size bounded. */
export class AgentServer {
  readonly #options: AgentServerOptions;
  readonly #server: Server;
  /** Requests under way on each connection: an error of the parser must not be taken for the answer to an earlier request. */
  readonly #running = new WeakMap<Duplex, Set<IncomingMessage>>();
  /** Connections whose request asked for another protocol. */
  readonly #switched = new Set<Socket>();
  /** Connections that end with an answer that was given already: what else was in the pipe is nobody's request (RFC 9112, 9.6). */
  readonly #ending = new WeakSet<Duplex>();
  #refused = 0;
  #connections = 0;

  private constructor(options: AgentServerOptions) {
    const { limits } = options;
    this.#options = options;
    this.#server = createServer({
      insecureHTTPParser: false,
      // Checked by `checkRequest`: Node's own refusal has no body.
      requireHostHeader: false,
      maxHeaderSize: limits.requestHeadBytes,
      headersTimeout: limits.headMilliseconds,
      // A forwarded body may take its time; `readBody` has a deadline of its own, silence has `stalledMilliseconds`.
      requestTimeout: 0,
      connectionsCheckingInterval: limits.sweepMilliseconds,
      // Taken off the server only where it may be passed on; an ordinary request that is told so elsewhere.
      shouldUpgradeCallback: (request) => request.socket.destroyed || isForwardTarget(request.url ?? ''),
      IncomingMessage: AgentRequest,
      keepAlive: true,
      keepAliveTimeout: limits.idleMilliseconds,
    });
    this.#server.maxConnections = limits.connections;
    this.#server.maxRequestsPerSocket = limits.requestsPerConnection;
    this.#server.timeout = limits.stalledMilliseconds;
    // Node drops what is above its own count without a word; ours is checked, and the head's bytes bound both.
    this.#server.maxHeadersCount = 0;
    this.#listenToEvents();
  }

  /** Starts to accept. Rejects when the listener cannot be used. */
  static async start(options: AgentServerOptions): Promise<AgentServer> {
    const server = new AgentServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(options.listen, () => {
        server.#server.off('error', reject);
        server.#server.on('error', (error) => options.logger.error({ err: error }, 'the agent socket failed'));
        resolve();
      });
    });
    return server;
  }

  /** Connections refused for their uid since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** Connections that are open, tunnels included. */
  get connections(): number {
    return this.#connections;
  }

  /** Sets how many connections may be open from now on. */
  set connectionsMost(most: number) {
    this.#server.maxConnections = most;
  }

  /** Accepts nothing new, lets requests end for `milliseconds`, then cuts them. Resolves when every connection is closed. */
  async stop(milliseconds: number): Promise<void> {
    this.#options.api.draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Neither a tunnel nor a WebSocket has an end of its own, and the server no longer knows of them.
    this.#options.tunnels.close();
    for (const socket of this.#switched) socket.destroy();
    const timer = this.#options.clock.setTimer(milliseconds, () => this.#server.closeAllConnections());
    await closed;
    timer.clear();
  }

  #listenToEvents(): void {
    this.#server.on('connection', (socket: Socket) => this.#admit(socket));
    const handle = (request: IncomingMessage, response: ServerResponse): void => this.#handle(request, response);
    this.#server.on('request', handle);
    // "Expect: 100-continue" is answered when the body is wanted; another expectation is an ordinary request that says so.
    this.#server.on('checkContinue', handle);
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (socket.destroyed) return;
      if (this.#running.get(socket)?.size) this.#cut(socket, 'CONNECT', 'pipelined_change');
      else void this.#options.tunnels.connect(request, socket as Socket, head);
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(request, socket as Socket, head));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => this.#parserError(error, socket));
    this.#server.on('drop', () =>
      this.#options.logger.warn({ limit: this.#options.limits.connections }, 'connection closed: limit connections is reached'),
    );
  }

  /** One for all: of 10,000 connections each would have its own otherwise. */
  readonly #closed = (): void => void (this.#connections -= 1);

  /** Closes a connection of anyone but the payload before a byte of it is read. */
  #admit(socket: Socket): void {
    let uid: number | undefined;
    try {
      uid = peerCredentials(socket).uid;
    } catch (error) {
      this.#options.logger.warn({ reason: describeError(error) }, 'connection refused: its peer is not known');
    }
    if (uid === this.#options.payloadUid) {
      this.#connections += 1;
      socket.on('close', this.#closed);
      return;
    }
    this.#refused += 1;
    if (uid !== undefined && (this.#refused <= REFUSALS_LOGGED || this.#refused % 1_000 === 0)) {
      this.#options.logger.warn({ uid, expected: this.#options.payloadUid, refused: this.#refused }, 'connection refused: wrong uid');
    }
    socket.destroy();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // What came with a request that ends its connection.
    if (this.#ending.has(socket)) return;
    const running = this.#running.get(socket) ?? new Set<IncomingMessage>();
    if (running.size > this.#options.limits.pipelinedRequests) return this.#cut(socket, request.method ?? '-', 'too_many_pipelined');
    this.#running.set(socket, running.add(request));
    response.on('close', () => running.delete(request));
    this.#options.api.handle(request, response);
    if (response.headersSent && !response.shouldKeepAlive) this.#ending.add(socket);
  }

  /** A request that asks for WebSocket: its connection serves no other from now on, whatever it is told. */
  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (socket.destroyed) return;
    if (this.#running.get(socket)?.size) return this.#cut(socket, request.method ?? '-', 'pipelined_change');
    this.#switched.add(socket);
    socket.once('close', () => this.#switched.delete(socket));
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.end());
    this.#options.api.handle(request, response, { socket, head });
  }

  /** No answer: it would be read as that of a request before it on this connection. */
  #cut(socket: Duplex, method: string, code: string): void {
    socket.destroy();
    this.#record(method, 400, code, newTraceId());
  }

  #parserError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const [first, ...others] = this.#running.get(socket) ?? [];
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
    } else if (first === undefined) {
      this.#endRaw(socket, problemOfParser(error.code), '-');
    } else if (others.length === 0 && !first.complete) {
      // The fault lies in the body of the one request that runs: it is its own answer, and that closes the connection.
      first.emit(BODY_BROKEN, problemOfParser(error.code));
    } else {
      this.#cut(socket, '-', problemOfParser(error.code).code);
    }
  }

  #endRaw(socket: Duplex, problem: Problem, method: string): void {
    const traceId = newTraceId();
    endWithProblem(socket, problem, traceId);
    this.#record(method, problem.status, problem.code, traceId);
  }

  /** The line of what never became a request. */
  #record(method: string, status: number, code: string, traceId: string): void {
    this.#options.access.write(undefined, { service: '-', method, path: '-', status, code, milliseconds: 0, bytes: 0, traceId });
  }
}
