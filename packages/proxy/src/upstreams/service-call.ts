// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { BODY_BROKEN, announcesBody } from '../body.ts';
import { Problem } from '../problem.ts';
import type { Generation } from '../store.ts';
import type { Trace } from '../trace.ts';
import { answerHeaders, holdsNeedle } from './answer-headers.ts';
import type { AnswerSink, RawHeaders } from './answer-sink.ts';
import { UpstreamFailure, problemOfFailure } from './failure.ts';
import type { H1Connection, H1Request } from './h1-connection.ts';
import { headerLines, passedOn } from './request-head.ts';
import type { Service } from './service.ts';

/** How a forwarded request ended. */
export interface CallEnd {
  /** What the agent was told; 499 when it had gone. */
  readonly status: number;
  /** Of the answer's body, as far as it was sent. */
  readonly bytes: number;
  /** To be told to the agent, when nothing was sent yet; for the log otherwise. */
  readonly problem: Problem | undefined;
}

export interface CallOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Below the service's URL: path and query as they go out. */
  readonly target: string;
  readonly service: string;
  readonly trace: Trace;
  /** The keys in use at the time of the call. */
  readonly current: () => Generation;
  /** Called once, when all is over. */
  readonly done: (end: CallEnd) => void;
}

/** Methods that may be sent again when a kept connection turned out to be closed. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Methods whose missing body is announced as empty. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
/** Bodies up to this size leave in one write with their head: Node joins strings, not bytes. */
const JOINED_BYTES = 8_192;
/** A status that is never sent: the agent had gone. */
const CLIENT_GONE = 499;
/** Rotations that a call survives while it waits for a connection. */
const TURNS_MOST = 8;

/**
 * One request on its way through: judged before, given a connection, written with the keys that are in use at that moment, and its answer
 * passed on as it comes. Exactly one of: an answer, a problem in `done`, or a cut connection when half an answer is out.
 */
export class ServiceCall implements AnswerSink {
  readonly #options: CallOptions;
  #generation: Generation | undefined;
  #service: Service | undefined;
  #connection: H1Connection | undefined;
  #giveUp: (() => void) | undefined;
  #retried = false;
  #turns = 0;
  #over = false;
  #headSent = false;
  #status = 0;
  #bytes = 0;
  #pending: Buffer | undefined;

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /** Begins. Everything that follows is told to `done`. */
  start(): void {
    const { request, response } = this.#options;
    response.once('close', this.#closed);
    response.on('timeout', this.#stalled);
    request.once(BODY_BROKEN, this.#broken);
    this.#begin(true);
  }

  head(status: number, headers: RawHeaders, bytes: Buffer | undefined): void {
    const { request, response } = this.#options;
    const service = this.#service as Service;
    const { needles } = service;
    const found = bytes === undefined || holdsNeedle(bytes, needles) ? needles : [];
    const kept = answerHeaders(headers, service.strippedHeaders, found);
    // What is left of a body that nobody wants would be read as the next request.
    if (!request.complete) kept.push('connection', 'close');
    this.#status = status;
    this.#headSent = true;
    response.writeHead(status, kept);
  }

  data(chunk: Buffer): void {
    const before = this.#pending;
    this.#pending = chunk;
    this.#bytes += chunk.length;
    if (before !== undefined) this.#options.response.write(before);
  }

  flush(): boolean {
    if (!this.#headSent) return true;
    const { response } = this.#options;
    const chunk = this.#pending;
    this.#pending = undefined;
    if (chunk !== undefined) return response.write(chunk) || this.#awaitDrain();
    if (this.#bytes === 0) response.flushHeaders();
    return true;
  }

  drained(): void {
    this.#options.request.resume();
  }

  ended(trailers: RawHeaders): void {
    const { response } = this.#options;
    const service = this.#service as Service;
    const chunk = this.#pending;
    this.#pending = undefined;
    this.#connection = undefined;
    if (trailers.length > 0) {
      const kept = answerHeaders(trailers, service.droppedTrailers, service.needles);
      const pairs: [string, string][] = [];
      for (let index = 0; index < kept.length; index += 2) pairs.push([kept[index] as string, kept[index + 1] as string]);
      response.addTrailers(pairs);
    }
    this.#release();
    if (chunk === undefined) response.end();
    else if (chunk.length <= JOINED_BYTES) response.end(chunk.toString('latin1'), 'latin1');
    else response.end(chunk);
    this.#finish(this.#status, undefined);
  }

  failed(failure: UpstreamFailure): void {
    const connection = this.#connection;
    this.#connection = undefined;
    const { method } = this.#options.request;
    const stale = failure.kind === 'reset' && connection !== undefined && connection.uses > 1 && connection.untouched;
    if (stale && !this.#retried && !this.#headSent && REPEATABLE.has(method ?? '') && !announcesBody(this.#options.request)) {
      this.#retried = true;
      this.#release();
      this.#begin(false);
      return;
    }
    this.#fail(failure);
  }

  switched(_headers: RawHeaders, socket: Duplex): void {
    socket.destroy();
    this.#fail(new UpstreamFailure('malformed', 'a change of protocol that nobody asked for'));
  }

  /** Takes the keys that are in use now, then a connection; when the keys changed while it waited for one, again from the start. */
  #begin(mayBeKept: boolean): void {
    try {
      const generation = this.#options.current();
      generation.enter();
      this.#generation = generation;
      const service = generation.service(this.#options.service);
      this.#service = service;
      const kept = mayBeKept ? service.pool.idle() : undefined;
      if (kept !== undefined) return this.#send(kept, service);
      this.#giveUp = service.pool.acquire((connection, failure) => {
        this.#giveUp = undefined;
        if (this.#over) connection?.abort();
        else if (connection === undefined) this.#fail(failure as UpstreamFailure);
        else if (generation.retired && (this.#turns += 1) <= TURNS_MOST) {
          connection.abort();
          this.#release();
          this.#begin(true);
        } else this.#send(connection, service);
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  #send(connection: H1Connection, service: Service): void {
    const { request } = this.#options;
    this.#connection = connection;
    const outgoing = this.#headOf(service);
    connection.start(outgoing, this);
    if (outgoing.framing !== 'none') this.#sendBody(connection, request);
  }

  #headOf(service: Service): H1Request {
    const { request, target, trace } = this.#options;
    const method = request.method as string;
    const length = request.headers['content-length'];
    const framing =
      request.headers['transfer-encoding'] !== undefined ? 'chunked' : length === undefined || length === '0' ? 'none' : 'length';
    let head = `${method} ${service.basePath}${service.withQueryKeys(target)} HTTP/1.1\r\nhost: ${service.host}\r\n`;
    if (framing === 'chunked') head += 'transfer-encoding: chunked\r\n';
    else if (framing === 'length') head += `content-length: ${length as string}\r\n`;
    else if (WITH_BODY.has(method)) head += 'content-length: 0\r\n';
    if (trace.parent !== undefined) head += `traceparent: ${trace.parent}\r\n`;
    head += headerLines(passedOn(request.rawHeaders, service.droppedHeaders));
    const { keys, headersMilliseconds, idleMilliseconds } = service;
    return { head, keys, bodyless: method === 'HEAD', framing, headersMilliseconds, idleMilliseconds };
  }

  #sendBody(connection: H1Connection, request: IncomingMessage): void {
    if (/^100-continue$/i.test(request.headers.expect ?? '')) this.#options.response.writeContinue();
    request.on('data', (chunk: Buffer) => {
      if (!connection.write(chunk)) request.pause();
    });
    request.once('end', () => connection.end());
  }

  #awaitDrain(): boolean {
    const { response } = this.#options;
    const connection = this.#connection;
    response.once('drain', () => connection?.resume());
    return false;
  }

  readonly #closed = (): void => {
    if (this.#over) return;
    this.#abandon();
    this.#finish(CLIENT_GONE, undefined);
  };

  /** Nothing moved for `stalledMilliseconds`: the agent is at fault only when it owes us bytes of a body or does not read. */
  readonly #stalled = (): void => {
    const { request, response } = this.#options;
    if (request.complete && !response.writableNeedDrain) return;
    if (response.headersSent) request.socket.destroy();
    else
      this.#fail(new Problem(408, 'request_timeout', 'Expected the rest of the body sooner (limit stalledMilliseconds).', { close: true }));
  };

  readonly #broken = (problem: unknown): void => this.#fail(problem);

  #fail(error: unknown): void {
    if (this.#over) return;
    const { response } = this.#options;
    const where = this.#service?.where ?? this.#options.service;
    const problem = error instanceof UpstreamFailure ? problemOfFailure(error, where) : error instanceof Problem ? error : undefined;
    this.#abandon();
    if (this.#headSent) response.destroy();
    const told = problem ?? new Problem(500, 'internal', 'The proxy failed; its log says more under this trace_id.', { cause: error });
    this.#finish(this.#headSent ? this.#status : told.status, told);
  }

  #abandon(): void {
    this.#giveUp?.();
    this.#connection?.abort();
    this.#connection = undefined;
    this.#release();
  }

  #release(): void {
    const generation = this.#generation;
    this.#generation = undefined;
    generation?.leave();
  }

  #finish(status: number, problem: Problem | undefined): void {
    this.#over = true;
    const { request, response } = this.#options;
    response.off('timeout', this.#stalled);
    request.off(BODY_BROKEN, this.#broken);
    if (!request.complete) request.removeAllListeners('data').resume();
    this.#options.done({ status, bytes: this.#bytes, problem });
  }
}
