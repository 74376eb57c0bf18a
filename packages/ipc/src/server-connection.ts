// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { BureauError, type Clock } from '@bureau/core';
import type { CallContract, Contract, StreamContract } from '@bureau/protocol';
import { Deadlines } from './deadlines.ts';
import { cancelled, connectionLost, deadlineExceeded, fromWire, malformed, protocolMismatch, toWire } from './errors.ts';
import type { CallContext, Peer } from './handlers.ts';
import type { IpcLimits } from './limits.ts';
import { Link } from './link.ts';
import type { Log } from './log.ts';
import { ServerCall } from './server-call.ts';
import { runStream } from './server-stream.ts';
import { validated } from './validate.ts';
import { quickClientMessage } from './wire-quick.ts';
import { PROTOCOL_VERSION, clientMessage, helloMessage, type RequestMessage } from './wire.ts';

/** A method with its handler, the types forgotten: the schemas watch over them. */
export interface BoundMethod {
  readonly contract: CallContract | StreamContract;
  readonly handler: (input: unknown, context: CallContext) => unknown;
}

/** What all connections of a server share. */
export interface ServerOptions {
  readonly contract: Contract;
  readonly methods: ReadonlyMap<string, BoundMethod>;
  readonly role: string;
  readonly build: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: IpcLimits;
  /** See `ServeOptions.onRefused`. */
  readonly onRefused?: (method: string, error: BureauError, context: CallContext) => void;
}

/** The server's end of one connection whose peer was accepted: hello, requests, streams, drain. */
/** Kinds of exhaustion that a caller is told. */
const EXHAUSTED: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files on the machine',
};

export class ServerConnection {
  readonly #options: ServerOptions;
  readonly #peer: Peer;
  readonly #link: Link;
  readonly #deadlines: Deadlines;
  readonly #calls = new Map<number, ServerCall>();
  readonly #closeCallbacks = new Set<() => void>();
  readonly #closed = Promise.withResolvers<void>();
  readonly #helloTimer: { clear(): void };
  #hello: { readonly role: string; readonly build: string } | undefined;
  #draining = false;
  readonly #handle: { readonly role: string; readonly build: string; onClose(callback: () => void): () => void };

  constructor(socket: Socket, peer: Peer, options: ServerOptions) {
    this.#options = options;
    this.#peer = peer;
    const { clock, limits, log } = options;
    this.#deadlines = new Deadlines(clock, (now) => this.#expire(now));
    const events = { message: (message: unknown) => this.#onMessage(message), closed: (reason: BureauError) => this.#onClosed(reason) };
    this.#link = new Link(socket, { limits, clock, log, events, pauseWhenBacklogged: true });
    this.#handle = this.#createHandle();
    this.#helloTimer = clock.setTimer(limits.helloMilliseconds, () => {
      this.#link.fault(malformed(`no hello within ${limits.helloMilliseconds} ms`));
    });
    this.#link.send({ type: 'hello', protocol: PROTOCOL_VERSION, build: options.build, role: options.role });
  }

  /** Resolves when the connection has ended and no handler of it runs any more. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Takes no more requests, ends streams, lets calls finish, then ends the connection. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const reason = connectionLost('the server is closing');
    for (const call of this.#calls.values()) if (call.streaming) this.#fail(call, reason);
    this.#endIfDrained();
  }

  /** Ends everything now; running handlers are aborted. */
  destroy(): void {
    this.#link.destroy(connectionLost('the server is closing'));
  }

  #createHandle() {
    const hello = (): { readonly role: string; readonly build: string } => this.#hello ?? { role: '', build: '' };
    return {
      get role() {
        return hello().role;
      },
      get build() {
        return hello().build;
      },
      onClose: (callback: () => void) => {
        if (this.#link.closed) callback();
        else this.#closeCallbacks.add(callback);
        return () => void this.#closeCallbacks.delete(callback);
      },
    };
  }

  #onMessage(raw: unknown): void {
    if (this.#hello === undefined) return this.#onHello(raw);
    const message = quickClientMessage(raw) ?? validated(clientMessage, raw, 'malformed_frame', 'A message to a server');
    switch (message.type) {
      case 'request':
        return this.#onRequest(message);
      case 'credit':
        return this.#calls.get(message.id)?.grant(message.count, this.#options.limits.maxStreamCredit);
      case 'cancel': {
        const call = this.#calls.get(message.id);
        return call?.abort(cancelled(this.#nameOf(call)));
      }
      case 'ping':
        return this.#link.send({ type: 'pong' });
      case 'pong':
        return;
      case 'fault':
        return this.#link.end(fromWire(message));
    }
  }

  #onHello(raw: unknown): void {
    const hello = validated(helloMessage, raw, 'malformed_frame', 'The first message');
    if (hello.protocol !== PROTOCOL_VERSION) throw protocolMismatch(PROTOCOL_VERSION, hello.protocol, hello.role);
    this.#helloTimer.clear();
    this.#hello = { role: hello.role, build: hello.build };
  }

  #onRequest(request: RequestMessage): void {
    const { clock, contract, limits, methods } = this.#options;
    if (this.#calls.has(request.id)) throw malformed(`request id ${request.id} is in use`);
    const method = methods.get(request.method);
    const streaming = method?.contract.kind === 'stream';
    const milliseconds = Math.min(
      request.deadline ?? (streaming ? Infinity : limits.callMilliseconds),
      streaming ? Infinity : limits.maxCallMilliseconds,
    );
    const call = new ServerCall({
      id: request.id,
      method: request.method,
      streaming,
      peer: this.#peer,
      connection: this.#handle,
      deadlineAt: milliseconds === Infinity ? Infinity : clock.monotonic() + milliseconds,
      deadlineMilliseconds: milliseconds,
      traceId: request.trace,
      credit: Math.min(request.credit ?? 0, limits.maxStreamCredit),
    });
    if (this.#draining) return this.#sendError(call, connectionLost('the server is closing'));
    if (this.#calls.size >= limits.maxConcurrent) {
      const message = `${limits.maxConcurrent} requests run on this connection already. Wait for one of them.`;
      return this.#refuse(call, new BureauError('too_busy', message, { data: { limit: limits.maxConcurrent } }));
    }
    if (method === undefined) {
      const known = [...methods.keys()];
      const message = `"${contract.name}" has no method ${JSON.stringify(request.method)}; it has ${known.join(', ')}. Run both ends from the same build.`;
      return this.#refuse(call, new BureauError('unknown_method', message, { data: { method: request.method } }));
    }
    this.#calls.set(call.id, call);
    if (call.deadlineAt !== Infinity) this.#deadlines.watch(call.deadlineAt);
    this.#run(call, method, request.input);
  }

  #run(call: ServerCall, method: BoundMethod, rawInput: unknown): void {
    let input: unknown;
    try {
      input = validated(method.contract.input, rawInput, 'invalid_input', `Cannot call ${this.#nameOf(call)}`);
    } catch (error) {
      this.#tellRefused(call, error);
      return this.#finishWithError(call, error);
    }
    try {
      const result = method.handler(input, call);
      if (call.streaming) {
        void runStream(call, result as AsyncGenerator<unknown, unknown, undefined>, this.#link).then(
          (output) => this.#finish(call, output),
          (error: unknown) => this.#finishWithError(call, error),
        );
      } else if (result instanceof Promise) {
        result.then(
          (output: unknown) => this.#finish(call, output),
          (error: unknown) => this.#finishWithError(call, error),
        );
      } else this.#finish(call, result);
    } catch (error) {
      this.#finishWithError(call, error);
    }
  }

  /** It reaches no handler. */
  #refuse(call: ServerCall, error: BureauError): void {
    this.#tellRefused(call, error);
    this.#sendError(call, error);
  }

  #tellRefused(call: ServerCall, error: unknown): void {
    if (error instanceof BureauError) this.#options.onRefused?.(call.method, error, call);
  }

  /** The handler has ended well: its id is free again. */
  #finish(call: ServerCall, output: unknown): void {
    this.#calls.delete(call.id);
    if (!call.aborted && !this.#link.closed) {
      try {
        this.#link.send({ type: 'response', id: call.id, output: output === undefined ? null : output });
      } catch (error) {
        this.#sendError(call, error);
      }
    }
    this.#endIfDrained();
  }

  #finishWithError(call: ServerCall, error: unknown): void {
    this.#calls.delete(call.id);
    if (!call.aborted) this.#sendError(call, error);
    else if (!(error instanceof BureauError) && !isAbort(error)) this.#logInternal(call, error);
    this.#endIfDrained();
  }

  /** Answers now; the handler is told to stop, and its id stays taken until it has. */
  #fail(call: ServerCall, error: BureauError): void {
    if (call.aborted) return;
    call.abort(error);
    this.#sendError(call, error);
  }

  #sendError(call: ServerCall, error: unknown): void {
    if (this.#link.closed) return;
    let known: BureauError;
    if (error instanceof BureauError && error.code !== 'malformed_frame') known = error;
    else {
      this.#logInternal(call, error);
      known = new BureauError(
        'internal',
        `${this.#nameOf(call)} failed inside${exhausted(error)}; the log of "${this.#options.role}" has trace ${call.traceId}.`,
        {
          data: { trace: call.traceId },
        },
      );
    }
    this.#link.send({ type: 'error', id: call.id, ...toWire(known) });
  }

  #logInternal(call: ServerCall, error: unknown): void {
    this.#options.log.error({ err: error, method: this.#nameOf(call), traceId: call.traceId, peer: this.#peer }, 'ipc: a handler failed');
  }

  #expire(now: number): number {
    let next = Infinity;
    for (const call of this.#calls.values()) {
      if (call.aborted) continue;
      if (call.deadlineAt <= now) this.#fail(call, deadlineExceeded(this.#nameOf(call), call.deadlineMilliseconds));
      else next = Math.min(next, call.deadlineAt);
    }
    return next;
  }

  #endIfDrained(): void {
    if (this.#link.closed && this.#calls.size === 0) this.#closed.resolve(this.#link.gone);
    else if (this.#draining && this.#calls.size === 0) this.#link.end(connectionLost('the server is closing'));
  }

  #onClosed(reason: BureauError): void {
    this.#helloTimer.clear();
    this.#deadlines.stop();
    if (reason.code !== 'connection_lost')
      this.#options.log.warn({ code: reason.code, reason: reason.message, peer: this.#peer }, 'ipc: connection refused');
    for (const call of this.#calls.values())
      call.abort(reason.code === 'connection_lost' ? reason : connectionLost(reason.message, reason));
    for (const callback of this.#closeCallbacks) this.#notify(callback);
    this.#closeCallbacks.clear();
    this.#endIfDrained();
  }

  #notify(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#options.log.error({ err: error }, 'ipc: an onClose callback failed');
    }
  }

  #nameOf(call: ServerCall): string {
    return `${this.#options.contract.name}.${call.method}`;
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** What the machine ran out of, which the caller may have to mend before any log can be written; nothing else of the error is told. */
function exhausted(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words = EXHAUSTED[code];
  return words === undefined ? '' : ` (${code}: ${words})`;
}
