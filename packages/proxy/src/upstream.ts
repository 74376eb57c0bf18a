// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, type Clock } from '@bureau/core';
import type { IncomingHttpHeaders } from 'node:http';
import type { Credentials } from './credentials.ts';
import type { ProxyLimits } from './limits.ts';
import { Problem } from './problem.ts';
import type { Trace } from './trace.ts';
import type { Pool } from './undici-pool.ts';
import { checkUpstreamUrl, hasDotSegment, outgoingHeaders, refusedBy } from './upstream-rules.ts';

export interface UpstreamRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Below the upstream's URL, percent-encoded, starting with `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The upstream does the same once or twice: then a call that died with a kept connection is made once more. */
  readonly idempotent: boolean;
  /** The upstream may hold the answer back until something happens: its own few connections, a longer wait, a larger answer. */
  readonly longPoll?: boolean;
  readonly signal: AbortSignal;
  readonly trace: Trace;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

type CreatePool = typeof import('./undici-pool.ts').createPool;

export interface UpstreamOptions {
  readonly service: string;
  readonly credentials: Credentials;
  readonly limits: ProxyLimits;
  readonly clock: Clock;
}

/** One upstream of a bundle: its connections, its rules, and its keys, which are added to each call here and nowhere else. */
export class Upstream {
  readonly service: string;
  /** Names the server in problems and cache keys. */
  readonly url: URL;
  readonly #options: UpstreamOptions;
  #pool: Pool | undefined;
  #pollPool: Pool | undefined;

  constructor(options: UpstreamOptions) {
    const rule = options.credentials.header.upstreams[options.service];
    if (rule === undefined) throw new BureauError('no_such_upstream', `The bundle has no upstream ${JSON.stringify(options.service)}`);
    this.#options = options;
    this.service = options.service;
    this.url = checkUpstreamUrl(options.service, rule);
  }

  /**
   * Makes one call and reads the whole answer, whatever its status; redirects are answers. Throws a `Problem`: 403 when the bundle's
   * rules forbid it, 502 `upstream_…` when there is no usable answer, 504 `upstream_timeout` past a named deadline.
   */
  async call(request: UpstreamRequest): Promise<UpstreamAnswer> {
    this.#admit(request);
    const { clock, limits } = this.#options;
    let late = false;
    const end = new AbortController();
    const onGone = (): void => end.abort();
    const wait = request.longPoll === true ? limits.pollMilliseconds : limits.upstreamAnswerMilliseconds;
    const timer = clock.setTimer(wait, () => {
      late = true;
      end.abort();
    });
    // Not AbortSignal.any: it keeps memory until a full collection, at each call.
    request.signal.addEventListener('abort', onGone, { once: true });
    if (request.signal.aborted) end.abort();
    try {
      return await this.#attempt(request, end.signal).catch((error: unknown) => {
        if (!request.idempotent || end.signal.aborted || !diedWithConnection(error)) throw error;
        return this.#attempt(request, end.signal);
      });
    } catch (error) {
      throw this.#problemOf(error, late, request.longPoll === true);
    } finally {
      timer.clear();
      request.signal.removeEventListener('abort', onGone);
    }
  }

  /** Cuts every connection; calls that still run fail. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([this.#pool?.destroy(), this.#pollPool?.destroy()]);
  }

  #admit(request: UpstreamRequest): void {
    const { credentials } = this.#options;
    const rule = credentials.header.upstreams[this.service];
    const path = request.path.split('?', 1)[0] ?? '';
    if (!path.startsWith('/') || !/^[\x21-\x7e]+$/.test(request.path) || hasDotSegment(path)) {
      throw new BureauError(
        'upstream_path_invalid',
        'A route made an upstream path that is not percent-encoded or has dot segments; this is a bug in the route',
      );
    }
    const refused = rule === undefined ? 'paths' : refusedBy(rule, request.method, path);
    if (refused !== undefined) {
      throw new Problem(
        403,
        'upstream_rule_refused',
        `The ${refused} of upstream ${this.service} in this principal's bundle do not allow ${request.method} ${path}; an operator can allow it by sealing a bundle with wider ${refused}.`,
        {
          extensions: { rule: `upstreams.${this.service}.${refused}` },
        },
      );
    }
  }

  async #attempt(request: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    const { credentials, limits } = this.#options;
    const given = {
      ...request.headers,
      'accept-encoding': 'identity',
      traceparent: request.trace.parent,
    };
    const longPoll = request.longPoll === true;
    // Loaded with the first call: a proxy that never calls its homeserver does without.
    const { createPool, requestOn } = await import('./undici-pool.ts');
    const response = await requestOn(longPoll ? this.#pollConnections(createPool) : this.#connections(createPool), {
      method: request.method,
      path: this.url.pathname.replace(/\/$/, '') + request.path,
      headers: outgoingHeaders(given, credentials.injectedHeaders(this.service)),
      body: request.body ?? null,
      signal,
    });
    const body = await readAll(response.body, longPoll ? limits.pollBodyBytes : limits.upstreamBodyBytes);
    return { status: response.statusCode, headers: response.headers, body };
  }

  #connections(create: CreatePool): Pool {
    const { limits } = this.#options;
    this.#pool ??= this.#createPool(create, limits.upstreamConnections, limits.upstreamAnswerMilliseconds, limits.upstreamBodyBytes);
    return this.#pool;
  }

  #pollConnections(create: CreatePool): Pool {
    const { limits } = this.#options;
    this.#pollPool ??= this.#createPool(create, limits.pollConnections, limits.pollMilliseconds, limits.pollBodyBytes);
    return this.#pollPool;
  }

  #createPool(create: CreatePool, connections: number, answerMilliseconds: number, bodyBytes: number): Pool {
    const { limits, credentials } = this.#options;
    const { ca, unix } = credentials.header.upstreams[this.service] ?? {};
    return create(this.url.origin, {
      connections,
      connectTimeout: limits.upstreamConnectMilliseconds,
      headersTimeout: answerMilliseconds,
      bodyTimeout: answerMilliseconds,
      maxHeaderSize: limits.upstreamHeadBytes,
      maxResponseSize: bodyBytes,
      connect: { ...(ca === undefined ? {} : { ca }), ...(unix === undefined ? {} : { socketPath: unix }) },
    });
  }

  #problemOf(error: unknown, late: boolean, longPoll: boolean): unknown {
    if (error instanceof Problem || error instanceof BureauError) return error;
    const { limits } = this.#options;
    const [answerLimit, bodyLimit] = longPoll
      ? (['pollMilliseconds', 'pollBodyBytes'] as const)
      : (['upstreamAnswerMilliseconds', 'upstreamBodyBytes'] as const);
    const code = codeOf(error);
    const where = `${this.service} at ${this.url.origin}`;
    const options = { cause: error };
    if (late || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
      return new Problem(
        504,
        'upstream_timeout',
        `Expected the whole answer of ${where} within ${limits[answerLimit]} ms (limit ${answerLimit}); try again later.`,
        options,
      );
    }
    if (code === 'UND_ERR_CONNECT_TIMEOUT') {
      return new Problem(
        504,
        'upstream_timeout',
        `Expected a connection to ${where} within ${limits.upstreamConnectMilliseconds} ms (limit upstreamConnectMilliseconds); try again later.`,
        options,
      );
    }
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || code === 'UND_ERR_HEADERS_OVERFLOW') {
      return new Problem(
        502,
        'upstream_answer_too_large',
        `Expected an answer of ${where} with at most ${limits.upstreamHeadBytes} bytes of headers and ${limits[bodyLimit]} bytes of body (limit ${bodyLimit}), found more.`,
        options,
      );
    }
    if (code.startsWith('HPE_') || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || code === 'UND_ERR_INFO') {
      return new Problem(502, 'upstream_malformed', `${where} did not answer in valid HTTP (${code}).`, options);
    }
    if (/^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_)/.test(code)) {
      return new Problem(
        502,
        'upstream_untrusted',
        `The TLS certificate of ${where} was refused (${code}); an operator has to look at the server.`,
        options,
      );
    }
    return new Problem(
      502,
      'upstream_unreachable',
      `Cannot reach ${where} (${code === '' ? 'no reason given' : code}); try again later.`,
      options,
    );
  }
}

async function readAll(body: AsyncIterable<Buffer>, longest: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > longest) throw Object.assign(new Error('answer too large'), { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function codeOf(error: unknown): string {
  // undici's parser does not always say which rule was broken.
  if (error instanceof Error && error.name === 'HTTPParserError' && !('code' in error && typeof error.code === 'string'))
    return 'HPE_INVALID';
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** A kept connection that the server had closed meanwhile, or that broke before an answer. */
function diedWithConnection(error: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(error));
}

/** One line about a failed call for the log: codes and addresses, no bytes of request or answer. */
export function describeUpstreamError(error: unknown): string {
  const code = codeOf(error);
  return code.startsWith('HPE_') ? code : describeError(error).slice(0, 300);
}
