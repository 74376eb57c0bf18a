// SPDX-License-Identifier: Apache-2.0
import { connect as connectSocket, type Socket } from 'node:net';
import { BureauError, type Clock } from '@bureau/core';
import { peerCredentials } from '@bureau/native';
import type { CallName, ChunkOf, Contract, OutputOf, StreamName } from '@bureau/protocol';
import type { InferInput } from 'valibot';
import { ClientConnection, type RequestOptions } from './client-connection.ts';
import type { IpcStream } from './client-stream.ts';
import { cancelled, connectionLost } from './errors.ts';
import type { Peer } from './handlers.ts';
import { withDefaults, type IpcLimits } from './limits.ts';
import { silentLog, type Log } from './log.ts';

/** Where to connect, as whom. */
export interface ConnectOptions<C extends Contract> {
  readonly path: string;
  readonly contract: C;
  readonly role: string;
  readonly build: string;
  /** The uid that must have called `listen` last; a server calls it on a listener that it inherited, so this is the server's own. */
  readonly expectUid?: number;
  readonly clock: Clock;
  /** Gives up connecting; an open connection is not touched by it. */
  readonly signal?: AbortSignal;
  readonly logger?: Log;
  readonly limits?: Partial<IpcLimits>;
  /** Reads the peer of a socket; for tests. */
  readonly peerOf?: (socket: Socket) => Peer;
}

/** What a call of `M` takes; fields with a default may be left out. */
export type CallInput<C extends Contract, M extends keyof C['methods']> = InferInput<C['methods'][M]['input']>;

/** One open connection. It is never opened again by itself: after `closed`, make another. */
export interface IpcClient<C extends Contract> {
  /**
   * Runs a method. Rejects with the server's error, or `invalid_input`, `invalid_output`, `frame_too_large`, `deadline_exceeded`,
   * `cancelled`, `connection_lost` (then nobody knows whether it ran).
   */
  call<M extends CallName<C>>(method: M, input: CallInput<C, M>, options?: RequestOptions): Promise<OutputOf<C, M>>;
  /** Starts a stream; errors come from iterating it and from its `result`. */
  stream<M extends StreamName<C>>(method: M, input: CallInput<C, M>, options?: RequestOptions): IpcStream<ChunkOf<C, M>, OutputOf<C, M>>;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;
  readonly peer: { readonly build: string; readonly role: string; readonly uid: number };
  /** Ends it; pending calls reject with `connection_lost`. Idempotent. */
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * Connects and exchanges hellos. Rejects with `connection_refused` (nobody listens, or we may not), `peer_refused`,
 * `protocol_mismatch`, `too_busy`, `deadline_exceeded`, `cancelled`, `connection_lost`; no socket is left then.
 */
export function connect<C extends Contract>(options: ConnectOptions<C>): Promise<IpcClient<C>> {
  return connectThrough((path) => connectSocket({ path }), options);
}

/** Starts to connect to a path: the part of a client that another engine replaces. The socket says by its events how it went. */
export type Dial = (path: string) => Socket;

/** `connect` on another engine: all but `dial` is the same. */
export async function connectThrough<C extends Contract>(dial: Dial, options: ConnectOptions<C>): Promise<IpcClient<C>> {
  const socket = await openSocket(dial, options);
  const { limits, signal } = options;
  let uid: number;
  try {
    uid = checkedUid(socket, options);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  const all = withDefaults(limits);
  const { build, clock, contract, role } = options;
  const connection = new ClientConnection(socket, { contract, role, build, clock, limits: all, log: options.logger ?? silentLog });
  const timer = clock.setTimer(all.helloMilliseconds, () => connection.close(lateHello(options.path, all.helloMilliseconds)));
  const onAbort = (): void => connection.close(cancelled(`Connecting to ${options.path}`, signal?.reason));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const hello = await connection.opened;
    return typedClient(connection, { build: hello.build, role: hello.role, uid });
  } finally {
    timer.clear();
    signal?.removeEventListener('abort', onAbort);
  }
}

function typedClient<C extends Contract>(connection: ClientConnection, peer: IpcClient<C>['peer']): IpcClient<C> {
  const close = (): void => connection.close();
  return {
    call: (method, input, options) => connection.call(method, input, options) as never,
    stream: (method, input, options) => connection.stream(method, input, options) as never,
    closed: connection.closed,
    peer,
    close,
    [Symbol.dispose]: close,
  };
}

/** A connected socket, or `connection_refused`, `deadline_exceeded`, `cancelled`. */
function openSocket(dial: Dial, options: ConnectOptions<Contract>): Promise<Socket> {
  const { clock, path, signal } = options;
  const milliseconds = withDefaults(options.limits).helloMilliseconds;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(cancelled(`Connecting to ${path}`, signal.reason));
    const socket = dial(path);
    const settle = (error?: BureauError): void => {
      timer.clear();
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      if (error === undefined) return resolve(socket);
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => settle(cancelled(`Connecting to ${path}`, signal?.reason));
    const onError = (error: NodeJS.ErrnoException): void => settle(refused(path, error));
    const timer = clock.setTimer(milliseconds, () => settle(lateHello(path, milliseconds)));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', () => settle());
  });
}

function checkedUid(socket: Socket, options: ConnectOptions<Contract>): number {
  let uid: number;
  try {
    uid = (options.peerOf ?? peerCredentials)(socket).uid;
  } catch (error) {
    throw connectionLost(`the peer at ${options.path} left at once`, error);
  }
  if (options.expectUid === undefined || options.expectUid === uid) return uid;
  throw new BureauError(
    'peer_refused',
    `Expected the listener at ${options.path} to belong to uid ${options.expectUid}, found uid ${uid}. Do not talk to it.`,
    {
      data: { path: options.path, expected: options.expectUid, found: uid },
    },
  );
}

function refused(path: string, error: NodeJS.ErrnoException): BureauError {
  const errno = error.code ?? 'unknown';
  const why: Record<string, string> = {
    ENOENT: 'there is no socket',
    ECONNREFUSED: 'nobody listens',
    EACCES: 'this user may not connect',
    EAGAIN: 'too many wait to be accepted',
  };
  return new BureauError('connection_refused', `Cannot connect to ${path}: ${why[errno] ?? error.message} (${errno}).`, {
    data: { path, errno },
    cause: error,
  });
}

function lateHello(path: string, milliseconds: number): BureauError {
  return new BureauError(
    'deadline_exceeded',
    `No hello from ${path} within ${milliseconds} ms: something listens there, but does not answer.`,
    {
      data: { path, milliseconds },
    },
  );
}
