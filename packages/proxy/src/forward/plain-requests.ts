// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BODY_BROKEN, announcesBody } from '../body.ts';
import type { Problem } from '../problem.ts';
import { traceOf } from '../trace.ts';
import { H1Connection, type H1Request } from '../upstreams/h1-connection.ts';
import { IdleConnections } from '../upstreams/idle-connections.ts';
import { framingOf } from '../upstreams/outgoing.ts';
import { headerLines } from '../upstreams/request-head.ts';
import { absoluteTargetOf } from './absolute-target.ts';
import { dialTarget } from './dial.ts';
import type { EgressGrant } from './egress-policy.ts';
import { endToEndHeaders } from './forward-headers.ts';
import { grantsFor, type Target } from './forward-rules.ts';
import { formatIpAddress } from './ip-address.ts';
import { PlainCall } from './plain-call.ts';
import { egressOf, type ForwardOptions } from './tunnels.ts';

/** What is known of a forwarded request; filled in as it goes, so that it can be logged however it ends. */
export interface ForwardRecord {
  target?: string;
  address?: string;
  rule?: string;
  bytesIn: number;
  bytesOut: number;
}

/** Connections that are kept for next requests, of all hosts together: a package manager has some ten. */
const KEPT_MOST = 32;
/** Requests that may go out on a kept connection, and once more when it turned out to be closed. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Methods for which servers expect to be told that there is no body. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
const NO_KEYS = Buffer.alloc(0);

/** Where a kept connection leads, and by which rule. */
interface Place {
  readonly where: string;
  readonly grant: EgressGrant;
}

/**
 * The absolute-form half of the forward proxy: plain HTTP to allowed hosts, without keys. Each request is judged by itself; a kept
 * connection is used again only where this judgement names its very address and rule.
 */
export class PlainRequests {
  readonly #options: Omit<ForwardOptions, 'access' | 'logger'>;
  readonly #idle: IdleConnections;
  readonly #places = new WeakMap<H1Connection, Place>();

  constructor(options: Omit<ForwardOptions, 'access' | 'logger'>) {
    this.#options = options;
    this.#idle = new IdleConnections(options.clock, KEPT_MOST);
  }

  /**
   * Fetches an absolute target for the agent and streams body and answer as they come. Resolves with the status when the whole answer
   * has been given to the socket. Throws a `Problem` when nothing was answered yet; after that an error cuts the agent's connection.
   */
  async forward(request: IncomingMessage, response: ServerResponse, record: ForwardRecord, signal: AbortSignal): Promise<number> {
    const { store, resolver, limiter } = this.#options;
    const limits = this.#options.limits();
    // From the first moment: a body may turn out to be broken while a name is looked up.
    const end = new AbortController();
    request.once(BODY_BROKEN, (problem: Problem) => end.abort(problem));
    signal.addEventListener('abort', () => end.abort(signal.reason), { once: true });
    const { target, path } = absoluteTargetOf(request);
    record.target = target.text;
    const grants = await grantsFor(target, egressOf(store).policy, resolver);
    const repeatable = REPEATABLE.has(request.method ?? '') && !announcesBody(request);
    const onBytes = (direction: 'in' | 'out', bytes: number): void => {
      record[direction === 'in' ? 'bytesIn' : 'bytesOut'] += bytes;
      limiter.addTraffic(bytes);
    };
    const { forwardAnswerMilliseconds: headersMilliseconds, tunnelIdleMilliseconds: idleMilliseconds } = limits;
    const outgoing: H1Request = {
      head: headOf(request, target, path, repeatable),
      keys: NO_KEYS,
      bodyless: request.method === 'HEAD',
      framing: framingOf(request),
      headersMilliseconds,
      idleMilliseconds,
    };
    const options = { request, response, outgoing, where: target.text, repeatable, limits, onBytes };
    const kept = repeatable ? this.#idle.take((connection) => fits(this.#places.get(connection), target, grants)) : undefined;
    for (let connection = kept; ; connection = undefined) {
      connection ??= await this.#open(target, grants, end.signal);
      const { grant } = this.#places.get(connection) as Place;
      Object.assign(record, { rule: grant.rule, address: formatIpAddress(grant.address) });
      const status = await new PlainCall(options).run(connection, end.signal);
      if (status !== 'again') return status;
    }
  }

  /** Closes what is kept. */
  close(): void {
    this.#idle.close();
  }

  async #open(target: Target, grants: readonly EgressGrant[], signal: AbortSignal): Promise<H1Connection> {
    const { socket, grant } = await dialTarget(target, grants, this.#options, signal);
    const connection = new H1Connection(socket, {
      headMost: this.#options.limits().upstreamHeadBytes,
      onFree: (free) => this.#idle.keep(free),
      onGone: (gone) => this.#idle.forget(gone),
    });
    this.#places.set(connection, { where: target.text, grant });
    return connection;
  }
}

/** Whether a connection leads where this request may go, by a rule that says so today. */
function fits(place: Place | undefined, target: Target, grants: readonly EgressGrant[]): boolean {
  if (place?.where !== target.text) return false;
  const address = formatIpAddress(place.grant.address);
  return grants.some(({ rule, address: granted }) => rule === place.grant.rule && formatIpAddress(granted) === address);
}

/** `traceparent` goes on when it is valid; nothing of ours is told to a foreign host but `via`. */
function headOf(request: IncomingMessage, target: Target, path: string, keeps: boolean): string {
  const traceparent = request.headers['traceparent'];
  const isTraced = typeof traceparent === 'string' && traceOf(traceparent).given;
  const method = request.method ?? 'GET';
  const lines = endToEndHeaders(request.rawHeaders, isTraced ? ['expect'] : ['traceparent', 'tracestate', 'expect']);
  // A client of HTTP/1.0 may leave it out; what goes out is HTTP/1.1.
  if (request.headers.host === undefined) lines.push('host', target.text);
  if (request.headers['transfer-encoding'] !== undefined) lines.push('transfer-encoding', 'chunked');
  else if (request.headers['content-length'] === undefined && WITH_BODY.has(method)) lines.push('content-length', '0');
  lines.push('via', '1.1 bureau');
  if (!keeps) lines.push('connection', 'close');
  return `${method} ${path} HTTP/1.1\r\n${headerLines(lines)}`;
}
