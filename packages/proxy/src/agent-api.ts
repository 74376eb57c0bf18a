// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { describeError, type Clock } from '@bureau/core';
import { audit, type Logger } from '@bureau/log';
import { STATUS_CLIENT_GONE, type AccessLog } from './access-log.ts';
import type { AnnouncedCalls } from './audit/announced-calls.ts';
import { announcesBody, readBody } from './body.ts';
import { EventStream } from './event-stream.ts';
import { explainCommand } from './explain-command.ts';
import type { ForwardRecord, PlainRequests } from './forward/plain-requests.ts';
import type { ResponseEventSink } from './interceptors/response-event.ts';
import { PROBLEM_TYPE, Problem, problemBody } from './problem.ts';
import { checkRequest, isAbsoluteTarget } from './request-checks.ts';
import type { RequestLimiter } from './request-limiter.ts';
import type { Answer, EventStreamAnswer, Route, RouteServices, Router } from './router.ts';
import { notConfigured } from './store.ts';
import { TraceDigits, traceOf, type Trace } from './trace.ts';
import { describeUpstreamError } from './upstream.ts';
import { forwardTo, isForwardTarget } from './upstreams/forward.ts';

export interface AgentApiOptions {
  readonly router: Router;
  readonly services: RouteServices;
  readonly limiter: RequestLimiter;
  /** Takes the requests with an absolute target. */
  readonly forward: PlainRequests;
  readonly access: AccessLog;
  /** Where answers go that become events. */
  readonly events: ResponseEventSink;
  readonly announced: AnnouncedCalls;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A connection that the server gave away because its request asks for another protocol, with what came after the request. */
export interface Upgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** One request on its way: what is known of it when it ends, however it ends. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly started: number;
  readonly trace: Trace;
  /** Made when a route asks for it: most answers need none. */
  gone: AbortController | undefined;
  isGone: boolean;
  route: Route | undefined;
  /** The upstream of a forwarded call and its path, as far as they are ours to say. */
  forwarded: { readonly service: string; readonly path: string } | undefined;
  bodyRead: boolean;
  bytesIn: number;
  readonly upgrade: Upgrade | undefined;
  fetched: ForwardRecord | undefined;
}

/** Takes each request from Node's parser to its answer and its line in the log. Never throws, never answers 401. */
export class AgentApi {
  readonly #options: AgentApiOptions;
  readonly #digits = new TraceDigits();
  #total = 0;
  /** From now on each answer closes its connection. */
  draining = false;

  constructor(options: AgentApiOptions) {
    this.#options = options;
  }

  /** Requests since the start. */
  get total(): number {
    return this.#total;
  }

  /** From now on requests are refused and connections end with their answer; resolves when nothing runs any more, or late. */
  async drain(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.draining = true;
    this.#options.limiter.draining = true;
    if (this.#options.limiter.running === 0) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        timer.clear();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#options.clock.setTimer(milliseconds, end);
      signal.addEventListener('abort', end, { once: true });
      this.#options.limiter.onIdle(end);
    });
  }

  /** Answers one request, now or later. */
  handle(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): void {
    const exchange: Exchange = {
      request,
      response,
      started: this.#options.clock.monotonic(),
      trace: traceOf(singleHeader(request, 'traceparent'), this.#digits),
      gone: undefined,
      isGone: false,
      route: undefined,
      forwarded: undefined,
      bodyRead: false,
      bytesIn: 0,
      upgrade,
      fetched: undefined,
    };
    response.on('close', () => {
      if (response.writableFinished) return;
      exchange.isGone = true;
      exchange.gone?.abort();
    });
    this.#total += 1;
    let admission: Disposable | undefined;
    try {
      checkRequest(request, this.#options.services.limits.requestHeaders, upgrade !== undefined);
      admission = this.#options.limiter.admitRequest();
      if (isForwardTarget(request.url ?? '')) return this.#forward(exchange, admission);
    } catch (error) {
      admission?.[Symbol.dispose]();
      return this.#fail(exchange, error);
    }
    void this.#serve(exchange, admission);
  }

  /** What is answered here, or fetched without keys. Never rejects. */
  async #serve(exchange: Exchange, admission: Disposable): Promise<void> {
    using _admission = admission;
    try {
      if (isAbsoluteTarget(exchange.request)) return await this.#fetch(exchange);
      const answer = await this.#answer(exchange);
      if ('stream' in answer) await this.#stream(exchange, answer);
      else this.#send(exchange, answer.status, 'application/json', JSON.stringify(answer.body), {}, false);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  async #fetch(exchange: Exchange): Promise<void> {
    const record: ForwardRecord = { bytesIn: 0, bytesOut: 0 };
    exchange.fetched = record;
    const { request, response } = exchange;
    const status = await this.#options.forward.forward(request, response, record, signalOf(exchange));
    this.#log(exchange, response.writableFinished ? status : STATUS_CLIENT_GONE, record.bytesOut);
  }

  /** A route's answer. */
  async #answer(exchange: Exchange): Promise<Answer | EventStreamAnswer> {
    const { router, services } = this.#options;
    const { request, response } = exchange;
    const { route, params, query } = router.match(request.method ?? '', request.url ?? '');
    exchange.route = route;
    if (!route.unconfigured && services.store.header === undefined) throw notConfigured();
    if (route.body === undefined && announcesBody(request)) {
      throw new Problem(400, 'unexpected_body', `${request.method} ${route.path} takes no body; leave it out.`, { close: true });
    }
    const { requestBodyBytes: longest, requestMilliseconds: milliseconds } = services.limits;
    const bounds = { longest, milliseconds, clock: this.#options.clock };
    const body: unknown = route.body === undefined ? undefined : await readBody(request, response, route.body, bounds);
    exchange.bodyRead = true;
    exchange.bytesIn = Number(request.headers['content-length'] ?? 0);
    const signal = (): AbortSignal => signalOf(exchange);
    const header = (name: string): string | undefined => singleHeader(request, name);
    const call = { params, query: query as never, body: body as never, header, trace: exchange.trace, signal };
    return await route.handle(call, services);
  }

  /** Lasts as long as the route and the agent want. What fails before the first byte is an ordinary problem. */
  async #stream(exchange: Exchange, answer: EventStreamAnswer): Promise<void> {
    const { clock, services } = this.#options;
    const { heartbeatMilliseconds } = services.limits;
    const events = new EventStream(exchange.response, { clock, heartbeatMilliseconds, gone: signalOf(exchange) });
    try {
      await answer.stream(events);
    } catch (error) {
      if (!events.opened) throw error;
      if (!exchange.isGone)
        this.#options.logger.warn({ trace_id: exchange.trace.id, reason: describeError(error) }, 'a stream of events broke');
    } finally {
      events[Symbol.dispose]();
    }
    this.#log(exchange, exchange.isGone ? STATUS_CLIENT_GONE : 200, events.bytes, undefined);
  }

  /** By callbacks only: a promise for each request would cost more than judging it. */
  #forward(exchange: Exchange, admission: Disposable): void {
    const { request, response, trace, upgrade } = exchange;
    const { store, limits } = this.#options.services;
    const { clock, events } = this.#options;
    const named = (service: string, path: string): void => void (exchange.forwarded = { service, path });
    const forwarding = forwardTo({ request, response, trace, store, limits, clock, upgrade, named, events });
    forwarding.start((end) => {
      exchange.bytesIn = end.bytesIn;
      if (end.problem !== undefined && !response.headersSent) this.#fail(exchange, end.problem);
      else this.#log(exchange, end.status, end.bytes, end.problem);
      admission[Symbol.dispose]();
    });
  }

  #fail(exchange: Exchange, error: unknown): void {
    const problem =
      error instanceof Problem
        ? error
        : new Problem(500, 'internal', 'The proxy failed; its log says more under this trace_id.', { cause: error });
    if (problem !== error) {
      this.#options.logger.error({ trace_id: exchange.trace.id, err: error }, 'a route failed');
    }
    if (problem.code === 'placeholder_misused') {
      const who = this.#options.services.store.header?.principal ?? '-';
      const target = exchange.forwarded?.service ?? '-';
      const { id: traceId } = exchange.trace;
      audit(this.#options.logger, { who, what: 'proxy.placeholder', target, result: 'refused', reason: problem.code, traceId });
    }
    const { method = '-', url = '' } = exchange.request;
    const body = problemBody(
      problem,
      exchange.trace.id,
      explainCommand(this.#options.services.store.header?.principal, problem, method, url),
    );
    this.#send(exchange, problem.status, PROBLEM_TYPE, body, problem.headers, problem.close, problem);
  }

  #send(
    exchange: Exchange,
    status: number,
    type: string,
    body: string,
    headers: Readonly<Record<string, string>>,
    close: boolean,
    problem?: Problem,
  ): void {
    const { request, response } = exchange;
    const bytes = Buffer.byteLength(body);
    const delivered = !exchange.isGone && !response.headersSent && !response.destroyed;
    if (delivered) {
      const last = close || this.draining || (announcesBody(request) && !exchange.bodyRead);
      if (last) response.shouldKeepAlive = false;
      response.writeHead(status, {
        ...headers,
        'content-type': type,
        'content-length': bytes,
        ...(last ? { connection: headers['upgrade'] === undefined ? 'close' : 'close, upgrade' } : {}),
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    }
    this.#log(exchange, delivered ? status : STATUS_CLIENT_GONE, delivered ? bytes : 0, problem);
  }

  #log(exchange: Exchange, status: number, bytes: number, problem?: Problem): void {
    const { route, fetched, forwarded, request } = exchange;
    const rule = problem?.extensions['rule'];
    const bytesIn = fetched?.bytesIn ?? exchange.bytesIn;
    if (fetched === undefined) this.#options.limiter.addTraffic(bytes + bytesIn);
    this.#options.access.write(this.#options.services.store.header?.principal, {
      service: route?.service ?? forwarded?.service ?? (fetched === undefined ? '-' : 'egress'),
      method: request.method ?? '-',
      path: route?.path ?? forwarded?.path ?? '-',
      target: fetched?.target,
      address: fetched?.address,
      status,
      code: problem?.code,
      cause: causeOf(problem),
      rule: typeof rule === 'string' ? rule : fetched?.rule,
      milliseconds: this.#options.clock.monotonic() - exchange.started,
      bytesIn,
      bytes,
      traceId: exchange.trace.id,
      operator: this.#options.announced.take(exchange.trace.id),
    });
  }
}

/** One line about what was behind a problem, for the people who run this. */
function causeOf(problem: Problem | undefined): string | undefined {
  if (problem?.cause === undefined) return undefined;
  return problem.status === 500 ? describeError(problem.cause) : describeUpstreamError(problem.cause);
}

/** Aborted when the agent has gone, at once when it already has. */
function signalOf(exchange: Exchange): AbortSignal {
  exchange.gone ??= new AbortController();
  if (exchange.isGone) exchange.gone.abort();
  return exchange.gone.signal;
}

/** A header that is there once; `checkRequest` refuses the request when it is there twice. */
function singleHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
