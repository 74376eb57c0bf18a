// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { announcesBody } from '../body.ts';
import type { ProxyLimits } from '../limits.ts';
import { Problem } from '../problem.ts';
import { AnswerWriter } from '../upstreams/answer-writer.ts';
import type { AnswerSink, RawHeaders, RunningCall } from '../upstreams/answer-sink.ts';
import { UpstreamFailure, type FailureKind } from '../upstreams/failure.ts';
import type { H1Connection, H1Request } from '../upstreams/h1-connection.ts';
import { dropBody, passBody } from '../upstreams/request-body.ts';
import { endToEndHeaders } from './forward-headers.ts';

export interface PlainCallOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What goes out. */
  readonly outgoing: H1Request;
  /** For problems: the host and its port. */
  readonly where: string;
  /** It may be sent once more, on a connection of its own. */
  readonly repeatable: boolean;
  readonly limits: ProxyLimits;
  /** Told of each piece that passed. */
  readonly onBytes: (direction: 'in' | 'out', bytes: number) => void;
}

/** The end of a try: the status when the answer is with the agent's socket, or `again` for a kept connection that was closed meanwhile. */
export type PlainEnd = number | 'again';

/** One request without keys and its answer, as it comes. Rejects with a `Problem` while nothing was answered; later the agent's connection is cut. */
export class PlainCall implements AnswerSink {
  readonly #options: PlainCallOptions;
  readonly #answer: AnswerWriter;
  readonly #ended = Promise.withResolvers<PlainEnd>();
  #call: RunningCall | undefined;

  constructor(options: PlainCallOptions) {
    this.#options = options;
    this.#answer = new AnswerWriter(options.response);
  }

  /** Sends it on a connection that is the call's until its answer has ended. */
  async run(connection: H1Connection, signal: AbortSignal): Promise<PlainEnd> {
    const { request, response, outgoing, onBytes } = this.#options;
    const onAbort = (): void => this.#fail(signal.reason);
    const onDone = (): void => this.#ended.resolve(this.#answer.status);
    const onStalled = (): void => this.#stalled();
    signal.addEventListener('abort', onAbort, { once: true });
    response.once('finish', onDone).once('close', onDone).on('timeout', onStalled);
    this.#call = connection;
    connection.start(outgoing, this);
    if (signal.aborted) onAbort();
    else if (outgoing.framing !== 'none') passBody(request, response, connection, (bytes) => onBytes('in', bytes));
    try {
      return await this.#ended.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      response.off('finish', onDone).off('close', onDone).off('timeout', onStalled);
      this.#call?.abort();
      if (announcesBody(request) && !request.complete) dropBody(request);
    }
  }

  head(status: number, headers: RawHeaders): void {
    const { request } = this.#options;
    // An answer that comes before the end of the request's body leaves the rest of that body on this connection.
    const last = announcesBody(request) && !request.complete;
    this.#answer.head(status, [...endToEndHeaders(headers), 'via', '1.1 bureau', ...(last ? ['connection', 'close'] : [])]);
  }

  data(chunk: Buffer): void {
    this.#options.onBytes('out', chunk.length);
    this.#answer.data(chunk);
  }

  flush(): boolean {
    if (this.#answer.flush()) return true;
    const call = this.#call;
    this.#options.response.once('drain', () => call?.resume());
    return false;
  }

  drained(): void {
    this.#options.request.resume();
  }

  ended(): void {
    this.#call = undefined;
    this.#answer.end([]);
  }

  failed(failure: UpstreamFailure): void {
    const call = this.#call;
    this.#call = undefined;
    if (failure.kind === 'reset' && call?.retryable === true && this.#options.repeatable) this.#ended.resolve('again');
    else this.#fail(failure);
  }

  switched(_headers: RawHeaders, socket: Duplex): void {
    socket.on('error', () => undefined).destroy();
    this.#call = undefined;
    this.#fail(new UpstreamFailure('malformed', 'a change of protocol that nobody asked for'));
  }

  #fail(error: unknown): void {
    // What was promised cannot be delivered: the agent must see a broken answer, not a short one.
    if (this.#answer.sent) this.#options.response.destroy();
    else this.#ended.reject(error instanceof UpstreamFailure ? problemOf(error, this.#options.where) : error);
  }

  /** Nothing moved on the agent's connection for a while: cut when it is the agent that does not read; a quiet upstream may be quiet. */
  #stalled(): void {
    const { response, limits } = this.#options;
    if (response.writableNeedDrain || !response.headersSent) response.destroy();
    else response.socket?.setTimeout(limits.stalledMilliseconds);
  }
}

const CODES: Readonly<Partial<Record<FailureKind, readonly [status: number, code: string]>>> = {
  headers_timeout: [504, 'egress_timeout'],
  malformed: [502, 'upstream_malformed'],
  too_large: [502, 'upstream_malformed'],
};

function problemOf(failure: UpstreamFailure, where: string): Problem {
  const [status, code] = CODES[failure.kind] ?? [502, 'egress_unreachable'];
  const what = {
    egress_timeout: `Expected the head of an answer of ${where} within ${failure.code} (limit forwardAnswerMilliseconds); try again later.`,
    upstream_malformed: `${where} did not answer in valid HTTP (${failure.code}).`,
    egress_unreachable: `${where} ended before it had answered (${failure.code}).`,
  }[code];
  return new Problem(status, code, what ?? failure.code, { cause: failure, close: true });
}
