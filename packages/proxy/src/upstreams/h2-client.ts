// SPDX-License-Identifier: Apache-2.0
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { AnswerSink, RunningCall } from './answer-sink.ts';
import type { Dialler } from './dial.ts';
import { INTERIM_MOST } from './answer-parser.ts';
import { UpstreamFailure, failureOfSocket } from './failure.ts';

/** What one stream, and a whole connection, may send before we read: as much as a fast link has under way. */
const WINDOW_BYTES = 1_048_576;
const CONNECTION_WINDOW_BYTES = 8 * WINDOW_BYTES;

/** CANCEL of RFC 9113, section 7. */
const CANCEL = 8;

export interface H2ClientOptions {
  readonly dialler: Dialler;
  readonly origin: string;
  readonly headMost: number;
  readonly waitMilliseconds: number;
}

/** A request over HTTP/2; header names in lower case. Keys are strings here: Node's session takes no others. */
export interface H2Request {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly headers: readonly string[];
  readonly hasBody: boolean;
  readonly headersMilliseconds: number;
  readonly idleMilliseconds: number;
}

/** One connection to an upstream that speaks HTTP/2; a new one when it ends. Each request is a stream of its own. */
export class H2Client {
  readonly #options: H2ClientOptions;
  #session: ClientHttp2Session | undefined;
  #opening: Socket | undefined;
  readonly #waiting = new Set<(failure: UpstreamFailure | undefined) => void>();

  constructor(options: H2ClientOptions) {
    this.#options = options;
  }

  /** Calls back when a connection stands, or why there is none. Gives a way to give up. */
  acquire(done: (failure: UpstreamFailure | undefined) => void): () => void {
    if (this.ready) {
      done(undefined);
      return () => undefined;
    }
    this.#waiting.add(done);
    this.#open();
    return () => void this.#waiting.delete(done);
  }

  /** True when `start` may be called. */
  get ready(): boolean {
    return this.#session !== undefined && !this.#session.closed && !this.#session.destroyed;
  }

  start(request: H2Request, sink: AnswerSink): RunningCall {
    const headers: Record<string, string | string[]> = {
      ':method': request.method,
      ':path': request.path,
      ':authority': request.authority,
    };
    for (let index = 0; index < request.headers.length; index += 2) {
      const name = (request.headers[index] as string).toLowerCase();
      const before = headers[name];
      const value = request.headers[index + 1] as string;
      headers[name] = before === undefined ? value : [...(typeof before === 'string' ? [before] : before), value];
    }
    const stream = (this.#session as ClientHttp2Session).request(headers, { endStream: !request.hasBody });
    return new H2Call(stream, request, sink);
  }

  /** Cuts everything. Idempotent. */
  destroy(): void {
    this.#opening?.destroy();
    this.#session?.destroy();
  }

  #open(): void {
    if (this.#opening !== undefined) return;
    this.#opening = this.#options.dialler.open((failure, socket) => {
      this.#opening = undefined;
      if (failure === undefined) this.#use(socket);
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const done of waiting) done(failure);
    });
  }

  #use(socket: Socket): void {
    // Loaded only where a bundle wants it.
    const { connect } = process.getBuiltinModule('node:http2');
    const session = connect(this.#options.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
      maxHeaderListPairs: 256,
    });
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.on('error', () => undefined);
    const over = (): void => {
      if (this.#session === session) this.#session = undefined;
    };
    session.once('close', over).once('goaway', over);
    this.#session = session;
  }
}

/** One stream. */
class H2Call implements RunningCall {
  readonly #stream: ClientHttp2Stream;
  readonly #sink: AnswerSink;
  #answered = false;
  #over = false;
  #trailers: string[] = [];

  constructor(stream: ClientHttp2Stream, request: H2Request, sink: AnswerSink) {
    this.#stream = stream;
    this.#sink = sink;
    stream.setTimeout(request.headersMilliseconds, () => this.#late(request));
    let interim = 0;
    stream.on('headers', () => {
      interim += 1;
      if (interim <= INTERIM_MOST) return;
      this.#fail(new UpstreamFailure('malformed', `more than ${INTERIM_MOST} interim answers`));
      stream.close(CANCEL);
    });
    stream.on('response', (headers) => {
      this.#answered = true;
      stream.setTimeout(request.idleMilliseconds);
      sink.head(headers[':status'] ?? 502, flat(headers), undefined);
      if (!this.#over) sink.flush();
    });
    stream.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      sink.data(chunk);
      if (!sink.flush()) stream.pause();
    });
    stream.on('trailers', (headers) => (this.#trailers = flat(headers)));
    stream.on('drain', () => sink.drained());
    stream.on('error', (error) => this.#fail(failureOfSocket(error, true)));
    stream.on('end', () => this.#ended());
    stream.on('close', () =>
      this.#fail(new UpstreamFailure(this.#answered ? 'truncated' : 'reset', `stream closed (${stream.rstCode ?? 0})`)),
    );
  }

  get retryable(): boolean {
    return false;
  }

  write(chunk: Buffer): boolean {
    return this.#over || this.#stream.write(chunk);
  }

  end(): void {
    if (!this.#over) this.#stream.end();
  }

  resume(): void {
    this.#stream.resume();
  }

  abort(): void {
    this.#over = true;
    this.#stream.close(CANCEL);
  }

  /** The answer is whole only when the stream was closed without a fault. */
  #ended(): void {
    if (this.#over || !this.#answered) return;
    const { rstCode } = this.#stream;
    if (rstCode !== undefined && rstCode !== 0) return;
    this.#over = true;
    this.#sink.ended(this.#trailers);
  }

  #late(request: H2Request): void {
    const [kind, milliseconds] = this.#answered
      ? (['idle_timeout', request.idleMilliseconds] as const)
      : (['headers_timeout', request.headersMilliseconds] as const);
    this.#fail(new UpstreamFailure(kind, `${milliseconds} ms`));
    this.#stream.close(CANCEL);
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.failed(failure);
  }
}

function flat(headers: IncomingHttpHeaders): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) found.push(name, String(one));
  }
  return found;
}
