// SPDX-License-Identifier: Apache-2.0
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { EventParser, type ServerEvent } from './event-parser.ts';
import { ANSWER_BYTES_MAX, ANSWER_MILLISECONDS, PROXY_SOCKET, RECONNECT_LONGEST_MILLISECONDS, RECONNECT_MILLISECONDS } from './limits.ts';
import { ProxyError } from './proxy-error.ts';

export interface ProxyClientOptions {
  /** `/run/bureau/proxy.sock` when absent. */
  readonly socketPath?: string;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: object | string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Until the head of the answer is here; 15 minutes when absent. */
  readonly timeoutMilliseconds?: number;
}

/** An answer whose body has not been read. Read it to its end, or destroy it. */
export interface ProxyAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/** Who the program is. */
export interface Identity {
  readonly principal: string;
  readonly user_id: string;
  readonly server_name: string;
  readonly machine: string;
}

/** Whether a user is there, as the homeserver tells it. */
export interface Presence {
  /** `online`, `unavailable`, `offline`, or what else the homeserver knows. */
  readonly presence: string;
  readonly status_msg: string | null;
  /** Milliseconds. */
  readonly last_active_ago: number | null;
  readonly currently_active: boolean | null;
}

/** One program's way to its proxy. Connections are kept; `close` ends them. */
export class ProxyClient implements Disposable {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(options: ProxyClientOptions = {}) {
    this.#socketPath = options.socketPath ?? PROXY_SOCKET;
  }

  /** Whatever is answered, its body unread. Throws what the socket says (`ENOENT`, `ECONNREFUSED`), `ETIMEDOUT`, or the signal's reason. */
  call(method: string, path: string, options: CallOptions = {}): Promise<ProxyAnswer> {
    const { body, signal, timeoutMilliseconds = ANSWER_MILLISECONDS } = options;
    const isJson = typeof body === 'object' && !(body instanceof Uint8Array);
    const headers = { host: 'bureau', ...(isJson ? { 'content-type': 'application/json' } : {}), ...options.headers };
    return new Promise((resolve, reject) => {
      const target = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
      const request = httpRequest({ ...target, ...(signal === undefined ? {} : { signal }) });
      const timer = setTimeout(() => {
        request.destroy(Object.assign(new Error(`Expected an answer within ${timeoutMilliseconds} ms`), { code: 'ETIMEDOUT' }));
      }, timeoutMilliseconds);
      request.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      request.once('response', (response) => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
      });
      request.end(isJson ? JSON.stringify(body) : body);
    });
  }

  /** The whole body as text. Throws `ProxyError` for a status of 400 and above, `RangeError` for more than 64 MiB. */
  async text(method: string, path: string, options: CallOptions = {}): Promise<string> {
    const { status, headers, body } = await this.call(method, path, options);
    const text = await readText(body);
    if (status >= 400) throw new ProxyError(status, text, headers['content-type'] ?? '');
    return text;
  }

  /** The body as JSON. Throws as `text` does, and `SyntaxError`. */
  async json<Value = unknown>(method: string, path: string, options: CallOptions = {}): Promise<Value> {
    return JSON.parse(await this.text(method, path, options)) as Value;
  }

  /** Who this program is. */
  identity(options: CallOptions = {}): Promise<Identity> {
    return this.json('GET', '/v1/identity', options);
  }

  /** What it may reach. */
  services(options: CallOptions = {}): Promise<unknown> {
    return this.json('GET', '/v1/services', options);
  }

  /** What it may do. */
  grants(options: CallOptions = {}): Promise<unknown> {
    return this.json('GET', '/v1/grants', options);
  }

  /** How a user calls itself, or this program's own account. */
  async displayName(user?: string, options: CallOptions = {}): Promise<string | null> {
    const answer = await this.json<{ display_name: string | null }>('GET', `/v1/matrix/display-name${queryOf(user)}`, options);
    return answer.display_name;
  }

  /** Whether a user is there, or this program's own account. Throws `ProxyError` `presence_disabled` where the homeserver keeps none. */
  presence(user?: string, options: CallOptions = {}): Promise<Presence> {
    return this.json('GET', `/v1/matrix/presence${queryOf(user)}`, options);
  }

  /** Says whether this program is there, and what it does; resolves with what others see then. Throws as `presence` does. */
  setPresence(presence: 'online' | 'unavailable' | 'offline', status?: string, options: Omit<CallOptions, 'body'> = {}): Promise<Presence> {
    const body = { presence, ...(status === undefined ? {} : { status_msg: status }) };
    return this.json('POST', '/v1/matrix/presence', { ...options, body });
  }

  /**
   * The events of a stream, without an end: when it breaks it goes on after the last event that came, with pauses. Ends when the signal
   * is aborted or the loop is left. Throws `ProxyError` when the proxy refuses.
   */
  async *events(path: string, options: Omit<CallOptions, 'body'> = {}): AsyncGenerator<ServerEvent, void> {
    let lastId = options.headers?.['last-event-id'] ?? '';
    let retry = RECONNECT_MILLISECONDS;
    const isOver = (): boolean => options.signal?.aborted === true;
    while (!isOver()) {
      const parser = new EventParser();
      try {
        const resume = lastId === '' ? {} : { 'last-event-id': lastId };
        const answer = await this.call('GET', path, {
          ...options,
          headers: { ...options.headers, accept: 'text/event-stream', ...resume },
        });
        if (answer.status !== 200) throw new ProxyError(answer.status, await readText(answer.body), answer.headers['content-type'] ?? '');
        answer.body.setEncoding('utf8');
        for await (const text of answer.body as AsyncIterable<string>) {
          for (const event of parser.push(text)) {
            if (event.id !== '') lastId = event.id;
            yield event;
          }
          retry = Math.min(parser.retry ?? retry, RECONNECT_LONGEST_MILLISECONDS);
        }
      } catch (error) {
        if (isOver()) return;
        // A refusal stays one; a proxy that is being replaced says 503.
        if (error instanceof RangeError || (error instanceof ProxyError && error.status !== 503 && error.status !== 429)) throw error;
      }
      await pause(retry, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => undefined);
    }
  }

  /** Ends kept connections. Idempotent. */
  close(): void {
    this.#agent.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function queryOf(user: string | undefined): string {
  return user === undefined ? '' : `?user=${encodeURIComponent(user)}`;
}

async function readText(body: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > ANSWER_BYTES_MAX)
      throw new RangeError(`Expected an answer of at most ${ANSWER_BYTES_MAX} bytes, found more; read it as a stream`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, size).toString('utf8');
}
