// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream';
import { BODY_BROKEN, announcesBody, readBytes } from '../body.ts';
import { Problem } from '../problem.ts';
import { Interception } from '../interceptors/interception.ts';
import type { Generation } from '../store.ts';
import { AnswerWriter } from './answer-writer.ts';
import { answerHeaders, codingOf, holdsNeedle } from './answer-headers.ts';
import type { AnswerSink, RawHeaders, RunningCall } from './answer-sink.ts';
import { BodyRedactor } from './body-redactor.ts';
import type { CallOptions } from './call-options.ts';
import { UpstreamFailure, problemOfFailure } from './failure.ts';
import type { H1Request } from './h1-connection.ts';
import { framingOf, outgoingOf, overOne, overTwo } from './outgoing.ts';
import { dropBody, passBody } from './request-body.ts';
import type { Service } from './service.ts';
import { joinSockets, switchHead } from './switch.ts';

/** Methods that may be sent again when a kept connection turned out to be closed. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** A status that is never sent: the agent had gone. */
const CLIENT_GONE = 499;
/** Rotations and renewals that a call survives while it waits for a connection. */
const TURNS_MOST = 8;

/**
 * One request on its way through: judged before, given a connection, written with the keys that are in use at that moment, and its answer
 * passed on as it comes. Exactly one of: an answer, a problem in `done`, or a cut connection when half an answer is out.
 */
export class ServiceCall implements AnswerSink {
  readonly #options: CallOptions;
  #generation: Generation | undefined;
  #service: Service | undefined;
  #call: RunningCall | undefined;
  #giveUp: (() => void) | undefined;
  #body: Buffer | undefined;
  #retried = false;
  #turns = 0;
  #over = false;
  readonly #answer: AnswerWriter;
  /** What went to the agent after a change of protocol. */
  #switchedBytes: number | undefined;
  #bytesIn = 0;
  #interception: Interception | undefined;

  constructor(options: CallOptions) {
    this.#options = options;
    this.#answer = new AnswerWriter(options.response);
  }

  /** Begins. Everything that follows is told to `done`. */
  start(): void {
    const { request, response, current, service } = this.#options;
    response.on('close', this.#closed);
    response.on('timeout', this.#stalled);
    // Nothing can break in a body that is not there.
    if (framingOf(request) !== 'none') request.once(BODY_BROKEN, this.#broken);
    try {
      if (current().service(service).signer?.wantsBody === true && announcesBody(request)) void this.#readThenBegin();
      else this.#begin(true);
    } catch (error) {
      this.#fail(error);
    }
  }

  head(status: number, headers: RawHeaders, bytes: Buffer | undefined): void {
    const { request } = this.#options;
    const service = this.#service as Service;
    const { needles } = service;
    const found = bytes === undefined || holdsNeedle(bytes, needles) ? needles : [];
    const kept = answerHeaders(headers, service.strippedHeaders, found);
    // What is left of a body that nobody wants would be read as the next request.
    if (!request.complete || this.#options.upgrade !== undefined) kept.push('connection', 'close');
    if (status === 401) service.tokens?.refused();
    this.#answer.head(status, kept);
    if (service.interceptors.length > 0) this.#intercept(service, status);
    if (!service.redactsBodies || request.method === 'HEAD' || status === 204 || status === 304) return;
    const coding = codingOf(headers);
    if (coding === undefined) this.#answer.blank(needles);
    else this.#fail(new UpstreamFailure('encoded', coding));
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.#interception?.data(chunk);
    this.#answer.data(chunk);
  }

  flush(): boolean {
    return this.#over || this.#answer.flush() || this.#awaitDrain();
  }

  drained(): void {
    this.#options.request.resume();
  }

  ended(trailers: RawHeaders): void {
    const service = this.#service as Service;
    this.#call = undefined;
    this.#answer.end(trailers.length === 0 ? trailers : answerHeaders(trailers, service.droppedTrailers, service.needles));
    this.#interception?.ended();
    this.#interception = undefined;
    this.#release();
    this.#finish(this.#answer.status, undefined);
  }

  failed(failure: UpstreamFailure): void {
    const call = this.#call;
    this.#call = undefined;
    const { request } = this.#options;
    const repeatable = REPEATABLE.has(request.method ?? '') && !announcesBody(request);
    if (failure.kind === 'reset' && call?.retryable === true && repeatable && !this.#retried && !this.#answer.sent) {
      this.#retried = true;
      this.#release();
      this.#begin(false);
    } else this.#fail(failure);
  }

  switched(headers: RawHeaders, upstream: Duplex, rest: Buffer): void {
    const { upgrade, request, response, limits, clock } = this.#options;
    this.#call = undefined;
    const service = this.#service as Service;
    const head =
      upgrade === undefined
        ? undefined
        : switchHead(request.headers['sec-websocket-key'] ?? '', answerHeaders(headers, service.strippedHeaders, service.needles), headers);
    if (head === undefined || upgrade === undefined) {
      upstream.on('error', () => undefined).destroy();
      return this.#fail(new UpstreamFailure('malformed', 'a change of protocol that nobody asked for'));
    }
    response.off('close', this.#closed);
    response.detachSocket(upgrade.socket as never);
    upgrade.socket.write(head, 'latin1');
    const stalled = limits.stalledMilliseconds;
    const redactor = service.redactsBodies ? new BodyRedactor(service.needles, false) : undefined;
    const joined = { agent: upgrade.socket, fromAgent: upgrade.head, upstream, fromUpstream: rest, stalled, clock, redactor };
    joinSockets(joined, (bytes, bytesIn) => {
      this.#switchedBytes = bytes;
      this.#bytesIn = bytesIn;
      // Until here they were looked for.
      this.#release();
      this.#finish(101, undefined);
    });
  }

  /** Beside the answer, and without any part in it. */
  #intercept(service: Service, status: number): void {
    const { request, target, trace, events, limits } = this.#options;
    const { credentials } = this.#generation as Generation;
    this.#interception = Interception.begin({
      interceptors: service.interceptors,
      answered: { method: request.method as string, target, status, trace },
      events,
      credentials,
      needles: () => service.needles,
      bodyMost: limits.responseEventBodyBytes,
    });
  }

  async #readThenBegin(): Promise<void> {
    const { request, response, limits, clock } = this.#options;
    try {
      const bounds = { longest: limits.signedBodyBytes, milliseconds: limits.requestMilliseconds, clock };
      this.#body = await readBytes(request, response, bounds);
      this.#bytesIn = this.#body.length;
      if (!this.#over) this.#begin(true);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes the keys that are in use now, then a connection; when the keys changed while it waited for one, again from the start. */
  #begin(mayBeKept: boolean): void {
    try {
      const generation = this.#options.current();
      generation.enter();
      this.#generation = generation;
      const service = generation.service(this.#options.service);
      this.#service = service;
      if (!service.ready) return this.#renew(service);
      if (service.h2 !== undefined) {
        this.#giveUp = service.h2.acquire((failure) => this.#acquired(failure, () => this.#sendOver2(service)));
        return;
      }
      const kept = mayBeKept && this.#options.upgrade === undefined ? service.pool.idle() : undefined;
      if (kept !== undefined) return this.#send(service, (outgoing) => (kept.start(outgoing, this), kept));
      this.#giveUp = service.pool.acquire((connection, failure) => {
        if (this.#over || (failure === undefined && this.#isStale())) connection?.abort();
        this.#acquired(failure, () => {
          if (connection !== undefined) this.#send(service, (outgoing) => (connection.start(outgoing, this), connection));
        });
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A connection is there: with keys that are still in use it goes on, with others from the start. */
  #acquired(failure: UpstreamFailure | undefined, send: () => void): void {
    this.#giveUp = undefined;
    if (this.#over) return;
    try {
      if (failure !== undefined) this.#fail(failure);
      else if (this.#isStale()) this.#again();
      else send();
    } catch (error) {
      this.#fail(error);
    }
  }

  #isStale(): boolean {
    return this.#generation?.retired === true || this.#service?.ready === false;
  }

  #again(): void {
    this.#release();
    this.#turns += 1;
    if (this.#turns > TURNS_MOST) this.#fail(new UpstreamFailure('aborted', 'the keys changed too often'));
    else this.#begin(true);
  }

  #renew(service: Service): void {
    service.tokens?.renew().then(
      () => this.#acquired(undefined, () => this.#again()),
      (error: unknown) => this.#fail(error),
    );
  }

  #send(service: Service, start: (outgoing: H1Request) => RunningCall): void {
    const outgoing = outgoingOf(this.#options, service, this.#body, overOne);
    this.#call = start(outgoing);
    if (outgoing.framing !== 'none') this.#sendBody(this.#call);
  }

  #sendOver2(service: Service): void {
    const h2 = outgoingOf(this.#options, service, this.#body, overTwo);
    this.#call = service.h2?.start(h2, this);
    if (h2.hasBody && this.#call !== undefined) this.#sendBody(this.#call);
  }

  #sendBody(call: RunningCall): void {
    const { request, response } = this.#options;
    if (this.#body !== undefined) {
      call.write(this.#body);
      return call.end();
    }
    passBody(request, response, call, (bytes) => (this.#bytesIn += bytes));
  }

  #awaitDrain(): boolean {
    const { response } = this.#options;
    const call = this.#call;
    response.once('drain', () => call?.resume());
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
    const { sent, status } = this.#answer;
    if (sent) response.destroy();
    const told = problem ?? new Problem(500, 'internal', 'The proxy failed; its log says more under this trace_id.', { cause: error });
    this.#finish(sent ? status : told.status, told);
  }

  #abandon(): void {
    this.#giveUp?.();
    this.#call?.abort();
    this.#call = undefined;
    this.#interception?.cut();
    this.#interception = undefined;
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
    if (framingOf(request) !== 'none' && !request.complete) dropBody(request);
    this.#options.done({ status, bytes: this.#switchedBytes ?? this.#answer.bytes, bytesIn: this.#bytesIn, problem });
  }
}
