// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { BureauError, type Clock } from '@bureau/core';
import type { Contract } from '@bureau/protocol';
import { ClientStream, type IpcStream } from './client-stream.ts';
import { Deadlines } from './deadlines.ts';
import { cancelled, connectionLost, deadlineExceeded, fromWire, malformed, protocolMismatch } from './errors.ts';
import type { IpcLimits } from './limits.ts';
import { Link } from './link.ts';
import type { Log } from './log.ts';
import { validated } from './validate.ts';
import { quickServerMessage } from './wire-quick.ts';
import { PROTOCOL_VERSION, faultMessage, helloMessage, serverMessage, type HelloMessage } from './wire.ts';

/** What a caller may add to a request. */
export interface RequestOptions {
  /** Calls: 30 s unless said otherwise. Streams: none unless said. */
  readonly deadlineMilliseconds?: number;
  readonly signal?: AbortSignal;
  /** 32 hexadecimal digits, to find one request in the logs of all processes. */
  readonly traceId?: string;
}

export interface ClientConnectionOptions {
  readonly contract: Contract;
  readonly role: string;
  readonly build: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: IpcLimits;
}

interface Pending {
  readonly method: string;
  readonly deadlineAt: number;
  readonly deadlineMilliseconds: number;
  readonly stream: ClientStream | undefined;
  /** Takes the abort listener off. */
  forget(): void;
  done(output: unknown): void;
  fail(error: BureauError): void;
}

function nothing(): void {}

/** The client's end of one connection: hello, calls, streams. Knows no types; `IpcClient` gives them. */
export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #link: Link;
  readonly #deadlines: Deadlines;
  readonly #pending = new Map<number, Pending>();
  readonly #opened = Promise.withResolvers<HelloMessage>();
  readonly #closed = Promise.withResolvers<void>();
  #lastId = 0;
  #hello: HelloMessage | undefined;
  #reason: BureauError | undefined;

  constructor(socket: Socket, options: ClientConnectionOptions) {
    this.#options = options;
    const { clock, limits, log } = options;
    this.#deadlines = new Deadlines(clock, (now) => this.#expire(now));
    const events = { message: (message: unknown) => this.#onMessage(message), closed: (reason: BureauError) => this.#onClosed(reason) };
    this.#link = new Link(socket, { limits, clock, log, events, pauseWhenBacklogged: false });
    this.#opened.promise.catch(nothing);
    this.#link.send({ type: 'hello', protocol: PROTOCOL_VERSION, build: options.build, role: options.role });
  }

  /** The server's hello; rejects with `protocol_mismatch`, `peer_refused`, `too_busy`, `connection_lost`. */
  get opened(): Promise<HelloMessage> {
    return this.#opened.promise;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  close(reason: BureauError = connectionLost('it was closed from this side')): void {
    this.#link.end(reason);
  }

  call(method: string, input: unknown, options: RequestOptions = {}): Promise<unknown> {
    const milliseconds = this.#boundedDeadline(options.deadlineMilliseconds ?? this.#options.limits.callMilliseconds);
    return new Promise((resolve, reject) => {
      this.#request(method, input, options, milliseconds, undefined, resolve, reject);
    });
  }

  stream(method: string, input: unknown, options: RequestOptions = {}): IpcStream<unknown, unknown> {
    const milliseconds = options.deadlineMilliseconds === undefined ? Infinity : this.#boundedDeadline(options.deadlineMilliseconds);
    let id = 0;
    const port = {
      grant: (count: number) => this.#sendQuietly({ type: 'credit', id, count }),
      cancel: () => this.#abandon(id),
      cancelled: () => cancelled(this.#nameOf(method)),
    };
    const stream = new ClientStream(port, this.#options.limits.streamCredit);
    const done = (output: unknown): void => stream.finish(output);
    const fail = (error: BureauError): void => stream.fail(error);
    id = this.#request(method, input, options, milliseconds, stream, done, fail);
    return stream;
  }

  /** Sends a request; whatever goes wrong goes to `fail`. Returns its id, 0 when nothing was sent. */
  #request(
    method: string,
    input: unknown,
    options: RequestOptions,
    milliseconds: number,
    stream: ClientStream | undefined,
    done: (output: unknown) => void,
    fail: (error: BureauError) => void,
  ): number {
    const { signal, traceId } = options;
    const refusal = this.#refusal(method, signal);
    if (refusal !== undefined) {
      fail(refusal);
      return 0;
    }
    const id = this.#lastId + 1;
    const timed = milliseconds !== Infinity;
    try {
      this.#link.send({
        type: 'request',
        id,
        method,
        input: input === undefined ? null : input,
        deadline: timed ? milliseconds : undefined,
        trace: traceId,
        credit: stream === undefined ? undefined : this.#options.limits.streamCredit,
      });
    } catch (error) {
      fail(this.#sendFailure(method, error));
      return 0;
    }
    this.#lastId = id;
    const deadlineAt = timed ? this.#options.clock.monotonic() + milliseconds : Infinity;
    const forget = signal === undefined ? nothing : this.#onAbort(signal, id, method);
    this.#pending.set(id, { method, deadlineAt, deadlineMilliseconds: milliseconds, stream, forget, done, fail });
    if (timed) this.#deadlines.watch(deadlineAt);
    return id;
  }

  /** Why a request is not sent at all. */
  #refusal(method: string, signal: AbortSignal | undefined): BureauError | undefined {
    if (this.#reason !== undefined) return this.#reason;
    if (signal?.aborted === true) return cancelled(this.#nameOf(method), signal.reason);
    if (this.#link.queued <= this.#options.limits.maxQueuedBytes / 2) return undefined;
    return new BureauError(
      'too_busy',
      `Cannot call ${this.#nameOf(method)}: ${this.#link.queued} bytes wait for the server already. Wait for answers first.`,
    );
  }

  #sendFailure(method: string, error: unknown): BureauError {
    if (error instanceof BureauError && error.code === 'malformed_frame') {
      return new BureauError('invalid_input', `Cannot call ${this.#nameOf(method)}: the input is not plain data. ${error.message}`, {
        cause: error,
      });
    }
    return error instanceof BureauError ? error : new BureauError('internal', `Cannot call ${this.#nameOf(method)}.`, { cause: error });
  }

  #onAbort(signal: AbortSignal, id: number, method: string): () => void {
    const onAbort = (): void => {
      const pending = this.#abandon(id);
      pending?.fail(cancelled(this.#nameOf(method), signal.reason));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  }

  #onMessage(raw: unknown): void {
    if (this.#hello === undefined) return this.#onHello(raw);
    const message = quickServerMessage(raw) ?? validated(serverMessage, raw, 'malformed_frame', 'A message to a client');
    switch (message.type) {
      case 'chunk':
        return this.#onChunk(message.id, message.chunk);
      case 'response':
        return this.#onResponse(message.id, message.output);
      case 'error':
        return this.#settle(message.id)?.fail(fromWire(message));
      case 'ping':
        return this.#link.send({ type: 'pong' });
      case 'pong':
        return;
      case 'fault':
        return this.#link.end(fromWire(message));
    }
  }

  #onHello(raw: unknown): void {
    if (typeof raw === 'object' && raw !== null && 'type' in raw && raw.type === 'fault') {
      return this.#link.end(fromWire(validated(faultMessage, raw, 'malformed_frame', 'The first message')));
    }
    const hello = validated(helloMessage, raw, 'malformed_frame', 'The first message');
    if (hello.protocol !== PROTOCOL_VERSION) throw protocolMismatch(PROTOCOL_VERSION, hello.protocol, hello.role);
    this.#hello = { type: 'hello', protocol: hello.protocol, build: hello.build, role: hello.role };
    this.#opened.resolve(this.#hello);
  }

  #onChunk(id: number, raw: unknown): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return this.#expectOld(id);
    const method = this.#options.contract.methods[pending.method];
    if (pending.stream === undefined || method?.kind !== 'stream') throw malformed(`request ${id} is no stream`);
    try {
      const chunk = validated(method.chunk, raw, 'invalid_output', `${this.#nameOf(pending.method)} sent a chunk`);
      if (!pending.stream.push(chunk)) throw malformed(`stream ${id} got more chunks than it granted`);
    } catch (error) {
      if (!(error instanceof BureauError) || error.code !== 'invalid_output') throw error;
      this.#abandon(id);
      pending.fail(error);
    }
  }

  #onResponse(id: number, raw: unknown): void {
    const pending = this.#settle(id);
    const schema = pending === undefined ? undefined : this.#options.contract.methods[pending.method]?.output;
    if (pending === undefined || schema === undefined) return;
    try {
      pending.done(validated(schema, raw, 'invalid_output', `${this.#nameOf(pending.method)} answered`));
    } catch (error) {
      pending.fail(error as BureauError);
    }
  }

  /** Takes a request off the table. One that was cancelled may still be answered; one that never was may not. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) this.#expectOld(id);
    else {
      this.#pending.delete(id);
      pending.forget();
    }
    return pending;
  }

  #expectOld(id: number): void {
    if (id > this.#lastId) throw malformed(`request ${id} was never made`);
  }

  /** Takes a request off the table and tells the server. */
  #abandon(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    pending.forget();
    this.#sendQuietly({ type: 'cancel', id });
    return pending;
  }

  #sendQuietly(message: object): void {
    if (this.#reason === undefined) this.#link.send(message);
  }

  #expire(now: number): number {
    let next = Infinity;
    for (const [id, pending] of this.#pending) {
      if (pending.deadlineAt <= now) {
        this.#abandon(id);
        pending.fail(deadlineExceeded(this.#nameOf(pending.method), pending.deadlineMilliseconds));
      } else next = Math.min(next, pending.deadlineAt);
    }
    return next;
  }

  #onClosed(reason: BureauError): void {
    this.#reason = reason;
    this.#deadlines.stop();
    this.#opened.reject(reason);
    const lost = reason.code === 'connection_lost' ? reason : connectionLost(reason.message, reason);
    if (this.#hello !== undefined) this.#reason = lost;
    for (const pending of this.#pending.values()) {
      pending.forget();
      pending.fail(lost);
    }
    this.#pending.clear();
    this.#closed.resolve();
  }

  #boundedDeadline(milliseconds: number): number {
    return Math.min(Math.max(1, Math.ceil(milliseconds)), this.#options.limits.maxCallMilliseconds);
  }

  #nameOf(method: string): string {
    return `${this.#options.contract.name}.${method}`;
  }
}
