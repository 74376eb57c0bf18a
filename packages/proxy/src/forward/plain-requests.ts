// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '@bureau/core';
import { BODY_BROKEN, announcesBody } from '../body.ts';
import type { ProxyLimits } from '../limits.ts';
import { Problem } from '../problem.ts';
import { traceOf } from '../trace.ts';
import { absoluteTargetOf } from './absolute-target.ts';
import { dial } from './dial.ts';
import { endToEndHeaders } from './forward-headers.ts';
import { grantsFor } from './forward-rules.ts';
import { formatIpAddress } from './ip-address.ts';
import { egressOf, type ForwardOptions } from './tunnels.ts';

/** What is known of a forwarded request; filled in as it goes, so that it can be logged however it ends. */
export interface ForwardRecord {
  target?: string;
  address?: string;
  rule?: string;
  bytesIn: number;
  bytesOut: number;
}

/** The absolute-form half of the forward proxy: plain HTTP to allowed hosts, without keys, one connection for each request. */
export class PlainRequests {
  readonly #options: Omit<ForwardOptions, 'access' | 'logger'>;

  constructor(options: Omit<ForwardOptions, 'access' | 'logger'>) {
    this.#options = options;
  }

  /**
   * Fetches an absolute target for the agent and streams body and answer as they come. Resolves with the status when the whole answer
   * has been given to the socket. Throws a `Problem` when nothing was answered yet; after that an error cuts the agent's connection.
   */
  async forward(request: IncomingMessage, response: ServerResponse, record: ForwardRecord, signal: AbortSignal): Promise<number> {
    const { store, resolver, clock } = this.#options;
    const limits = this.#options.limits();
    // From the first moment: a body may turn out to be broken while a name is looked up.
    const end = new AbortController();
    request.once(BODY_BROKEN, (problem: Problem) => end.abort(problem));
    signal.addEventListener('abort', () => end.abort(signal.reason), { once: true });
    const { target, path } = absoluteTargetOf(request);
    record.target = target.text;
    const grants = await grantsFor(target, egressOf(store).policy, resolver);
    const { upstreamConnectMilliseconds: connectMilliseconds, addressesTried } = limits;
    const { socket, grant } = await dial({
      grants,
      port: target.port,
      where: target.text,
      connectMilliseconds,
      addressesTried,
      clock,
      signal: end.signal,
    });
    Object.assign(record, { rule: grant.rule, address: formatIpAddress(grant.address) });
    const exchange = new PlainExchange({
      request,
      response,
      socket,
      record,
      limits,
      clock,
      addTraffic: (bytes) => this.#options.limiter.addTraffic(bytes),
    });
    return await exchange.run(target.text, path, end.signal);
  }
}

interface PlainExchangeOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly record: ForwardRecord;
  readonly limits: ProxyLimits;
  readonly clock: Clock;
  readonly addTraffic: (bytes: number) => void;
}

/** One request and its answer on one connection to the upstream. */
class PlainExchange {
  readonly #options: PlainExchangeOptions;
  #settle: { resolve: (status: number) => void; reject: (error: unknown) => void } | undefined;
  #timer: Timer | undefined;
  #upstream: ClientRequest | undefined;

  constructor(options: PlainExchangeOptions) {
    this.#options = options;
  }

  run(where: string, path: string, signal: AbortSignal): Promise<number> {
    const { request, response, socket, limits, clock } = this.#options;
    return new Promise<number>((resolve, reject) => {
      this.#settle = { resolve, reject };
      const upstream = httpRequest({
        createConnection: () => socket,
        method: request.method ?? 'GET',
        path,
        headers: outgoing(request),
        setHost: false,
        maxHeaderSize: limits.upstreamHeadBytes,
        insecureHTTPParser: false,
      });
      this.#upstream = upstream;
      const fail = (error: unknown): void => this.#fail(error, where);
      this.#timer = clock.setTimer(limits.forwardAnswerMilliseconds, () => fail(late(where, limits.forwardAnswerMilliseconds)));
      let interim = 0;
      upstream.on('information', () => (interim += 1) > limits.interimAnswers && fail(malformed(where, 'too many interim answers')));
      upstream.on('upgrade', () => fail(malformed(where, 'a change of protocol that nobody asked for')));
      upstream.on('error', fail);
      upstream.on('response', (answer) => this.#answer(answer, fail));
      signal.addEventListener('abort', () => fail(signal.reason), { once: true });
      if (signal.aborted) return fail(signal.reason);
      response.on('timeout', () => this.#stalled());
      this.#sendBody(upstream);
    }).finally(() => {
      this.#timer?.clear();
      socket.destroy();
    });
  }

  #sendBody(upstream: ClientRequest): void {
    const { request, response, record, addTraffic } = this.#options;
    if (!announcesBody(request)) {
      upstream.end();
      return;
    }
    if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
    request.on('data', (piece: Buffer) => {
      record.bytesIn += piece.length;
      addTraffic(piece.length);
    });
    request.pipe(upstream);
  }

  #answer(answer: IncomingMessage, fail: (error: unknown) => void): void {
    const { request, response, record, addTraffic } = this.#options;
    this.#timer?.clear();
    const status = answer.statusCode ?? 502;
    // An answer that comes before the end of the request's body leaves the rest of that body on this connection.
    const last = announcesBody(request) && !request.complete;
    response.writeHead(status, [...endToEndHeaders(answer.rawHeaders), 'via', '1.1 bureau', ...(last ? ['connection', 'close'] : [])]);
    response.flushHeaders();
    answer.on('data', (piece: Buffer) => {
      record.bytesOut += piece.length;
      addTraffic(piece.length);
    });
    answer.once('error', fail);
    answer.once('aborted', () => fail(new Error('the upstream ended in the middle of its answer')));
    response.once('finish', () => this.#settle?.resolve(status));
    response.once('close', () => this.#settle?.resolve(status));
    answer.pipe(response);
  }

  #fail(error: unknown, where: string): void {
    const { response } = this.#options;
    this.#upstream?.destroy();
    if (response.headersSent) {
      // What was promised cannot be delivered: the agent must see a broken answer, not a short one.
      response.destroy();
      this.#settle?.resolve(response.statusCode);
      return;
    }
    this.#settle?.reject(
      error instanceof Problem || (error instanceof Error && error.name === 'AbortError') ? error : upstreamProblem(error, where),
    );
  }

  /** Nothing moved on the agent's connection for a while: cut when it is the agent that does not read; a quiet upstream may be quiet. */
  #stalled(): void {
    const { response, limits } = this.#options;
    if (response.writableNeedDrain || !response.headersSent) response.destroy();
    else response.socket?.setTimeout(limits.stalledMilliseconds);
  }
}

/** `traceparent` goes on when it is valid; nothing of ours is told to a foreign host but `via`. */
function outgoing(request: IncomingMessage): string[] {
  const traceparent = request.headers['traceparent'];
  const isTraced = typeof traceparent === 'string' && traceOf(traceparent).given;
  const kept = endToEndHeaders(request.rawHeaders, isTraced ? ['expect'] : ['traceparent', 'tracestate', 'expect']);
  const chunked = request.headers['transfer-encoding'] !== undefined;
  const lengthMissing = !announcesBody(request) && request.headers['content-length'] === undefined && needsLength(request.method ?? '');
  return [
    ...kept,
    ...(chunked ? ['transfer-encoding', 'chunked'] : []),
    ...(lengthMissing ? ['content-length', '0'] : []),
    'via',
    '1.1 bureau',
    'connection',
    'close',
  ];
}

/** Methods for which servers expect to be told that there is no body. */
function needsLength(method: string): boolean {
  return ['POST', 'PUT', 'PATCH'].includes(method);
}

function upstreamProblem(error: unknown, where: string): Problem {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code.startsWith('HPE_')) return malformed(where, code, error);
  return new Problem(502, 'egress_unreachable', `${where} ended before it had answered (${code === '' ? 'no reason given' : code}).`, {
    cause: error,
    close: true,
  });
}

function malformed(where: string, what: string, cause?: unknown): Problem {
  return new Problem(502, 'upstream_malformed', `${where} did not answer in valid HTTP (${what}).`, { cause, close: true });
}

function late(where: string, milliseconds: number): Problem {
  return new Problem(
    504,
    'egress_timeout',
    `Expected the head of an answer of ${where} within ${milliseconds} ms (limit forwardAnswerMilliseconds); try again later.`,
    { close: true },
  );
}
