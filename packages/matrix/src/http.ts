// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, describeError, sleep, type Clock } from '@bureau/core';
import { request } from 'undici';
import { refusalError, requestError, type RequestPlace } from './errors.ts';
import { REQUEST_DEADLINE_MS, REQUEST_MAX_BYTES, RESPONSE_MAX_BYTES, RETRY_DEFAULT_MS } from './limits.ts';

/** A token as text, or as bytes of which a string is made at each use (`SecretBytes` fits). */
export type AccessToken = string | { readonly bytes: Uint8Array };

export interface MatrixHttpOptions {
  /** `http://127.0.0.1:6167`; a path in it is kept. */
  readonly homeserverUrl: string;
  readonly clock: Clock;
  readonly token?: AccessToken;
  /** Default for every request; 30 s. */
  readonly deadlineMilliseconds?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMilliseconds?: number;
}

export interface MatrixRequest extends CallOptions {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Segments below `/_matrix/client/`; each is percent-encoded here, so that nothing in a name can leave its place. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** Sent without the token. */
  readonly anonymous?: boolean;
}

/** What the server said, whatever its status. */
export interface MatrixAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * JSON over HTTP to one homeserver. Every request has a deadline; 429 is waited for as the server says while the deadline allows.
 * Follows no redirect, which could carry the token elsewhere. No error of it quotes a token, a request's body or a query.
 */
export class MatrixHttp {
  readonly #base: string;
  readonly #clock: Clock;
  readonly #token: AccessToken | undefined;
  readonly #deadline: number;

  constructor(options: MatrixHttpOptions) {
    this.#base = parseHomeserverUrl(options.homeserverUrl);
    this.#clock = options.clock;
    this.#token = options.token;
    this.#deadline = options.deadlineMilliseconds ?? REQUEST_DEADLINE_MS;
  }

  /** The body of a 200, or the refusal as an error (`matrix_…`). */
  async call(options: MatrixRequest): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.ask(options);
    if (answer.status === 200) return answer.body;
    throw this.refusal(options, answer);
  }

  /** The answer, whatever its status but 429. Throws `matrix_unreachable`, `matrix_deadline_exceeded`, `matrix_response_…`, the signal's reason. */
  async ask(options: MatrixRequest): Promise<MatrixAnswer> {
    const started = this.#clock.monotonic();
    const deadline = options.deadlineMilliseconds ?? this.#deadline;
    for (;;) {
      const left = deadline - (this.#clock.monotonic() - started);
      const answer = await this.#once(options, Math.max(1, left));
      if (answer.status !== 429) return answer;
      const pause = retryAfter(answer);
      if (this.#clock.monotonic() - started + pause >= deadline) throw this.refusal(options, answer);
      await sleep(this.#clock, pause, options.signal);
    }
  }

  /** The error for an answer that is no success. */
  refusal(options: MatrixRequest, answer: MatrixAnswer): BureauError {
    const { errcode, error } = answer.body;
    return refusalError(placeOf(options), {
      status: answer.status,
      errcode: typeof errcode === 'string' ? errcode : '',
      text: this.#withoutToken(typeof error === 'string' ? error : ''),
    });
  }

  async #once(options: MatrixRequest, milliseconds: number): Promise<MatrixAnswer> {
    const place = placeOf(options);
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    if (body !== undefined && Buffer.byteLength(body) > REQUEST_MAX_BYTES) {
      throw new UsageError(
        'matrix_too_large',
        `Expected at most ${REQUEST_MAX_BYTES} bytes to ${place.method} ${place.path}, got ${Buffer.byteLength(body)}`,
        { data: { ...place } },
      );
    }
    const overdue = new AbortController();
    const timer = this.#clock.setTimer(milliseconds, () => overdue.abort());
    const signal = options.signal === undefined ? overdue.signal : AbortSignal.any([overdue.signal, options.signal]);
    try {
      signal.throwIfAborted();
      const response = await request(this.#base + place.path + queryOf(options.query), {
        method: options.method,
        headers: this.#headers(options, body),
        ...(body === undefined ? {} : { body }),
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const text = await readText(response.body, place);
      return { status: response.statusCode, body: parseObject(text, response.statusCode, place) };
    } catch (error) {
      if (error instanceof BureauError) throw error;
      options.signal?.throwIfAborted();
      if (overdue.signal.aborted) throw requestError('matrix_deadline_exceeded', place, `none came from ${this.#base} in time`);
      // The cause is told, not attached: an HTTP library's error may hold request headers.
      throw requestError(
        'matrix_unreachable',
        place,
        `cannot reach the homeserver at ${this.#base}: ${this.#withoutToken(describeError(error))}`,
      );
    } finally {
      timer.clear();
    }
  }

  #headers(options: MatrixRequest, body: string | undefined): Record<string, string> {
    const token = options.anonymous === true ? undefined : this.#tokenText();
    return {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
  }

  #tokenText(): string | undefined {
    if (this.#token === undefined || typeof this.#token === 'string') return this.#token;
    return Buffer.from(this.#token.bytes.buffer, this.#token.bytes.byteOffset, this.#token.bytes.byteLength).toString('latin1');
  }

  #withoutToken(text: string): string {
    const token = this.#tokenText();
    return token === undefined || token === '' ? text : text.replaceAll(token, '[secret]');
  }
}

/** The URL without a final slash. Throws `invalid_url`; quotes nothing of a URL with credentials in it. */
export function parseHomeserverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new UsageError(
      'invalid_url',
      'Expected the homeserver as a URL such as "http://127.0.0.1:6167": http or https, without user name, query or fragment',
    );
  }
  return url.href.replace(/\/+$/, '');
}

function placeOf(options: MatrixRequest): RequestPlace {
  return { method: options.method, path: `/_matrix/client/${options.path.map(encodeSegment).join('/')}` };
}

/** A segment that is only `.` or `..` cannot be sent: every URL parser climbs there, percent-encoded or not. */
function encodeSegment(segment: string): string {
  if (segment === '.' || segment === '..')
    throw new UsageError('invalid_name', `Cannot use ${JSON.stringify(segment)} as a name in a Matrix request: it would mean another path`);
  return encodeURIComponent(segment);
}

function queryOf(query: MatrixRequest['query']): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

async function readText(body: AsyncIterable<Buffer>, place: RequestPlace): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > RESPONSE_MAX_BYTES) throw requestError('matrix_response_too_large', place, `it is longer than ${RESPONSE_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseObject(text: string, status: number, place: RequestPlace): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    // One answer of the API is a list: the whole state of a room.
    if (Array.isArray(value)) return { list: value };
  } catch {
    // Told below.
  }
  if (status !== 200) return {};
  throw requestError('matrix_response_malformed', place, 'it is not JSON; is this a Matrix homeserver?');
}

function retryAfter(answer: MatrixAnswer): number {
  const milliseconds = answer.body['retry_after_ms'];
  return typeof milliseconds === 'number' && milliseconds >= 0 && Number.isFinite(milliseconds)
    ? Math.ceil(milliseconds)
    : RETRY_DEFAULT_MS;
}
