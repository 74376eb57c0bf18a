// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import { Problem } from '../problem.ts';
import type { SecretOf } from './key-lines.ts';

type Rule = Extract<NonNullable<UpstreamRule['auth']>, { kind: 'oauth2' }>;

/** Milliseconds a token is taken to live when its server does not say. */
const DEFAULT_LIFE = 300_000;
/** A token is renewed when less than this part of its life is left, and at least so many milliseconds before it lapses. */
const RENEW_PART = 0.1;
const RENEW_AHEAD = 30_000;
/** Not asked again for so long after a failure, so that a loop of calls does not become a loop at the token server. */
const PAUSE_AFTER_FAILURE = 2_000;

/** One exchange with a token endpoint: the form goes out, the answer comes back whole. */
export type TokenRequest = (form: string, authorization: Buffer | undefined) => Promise<{ readonly status: number; readonly body: Buffer }>;

/**
 * The bearer token of one upstream. Renewed before it lapses, by one request at a time whoever waits; without a valid token no call goes
 * out. A refresh token that the server replaced is kept in memory only: after a restart of the proxy the one in the bundle is used
 * again, so a server that spends refresh tokens needs `client_credentials` or a new bundle then.
 */
export class TokenSource implements Disposable {
  readonly #rule: Rule;
  readonly #secretOf: SecretOf;
  readonly #clock: Clock;
  readonly #request: TokenRequest;
  readonly #where: string;
  #token: SecretBytes | undefined;
  /** The one before: answers to calls that went out with it are still under way. */
  #replaced: SecretBytes | undefined;
  #refresh: SecretBytes | undefined;
  #lapses = 0;
  #renewAt = 0;
  #running: Promise<void> | undefined;
  #failed: { readonly problem: Problem; readonly until: number } | undefined;
  #disposed = false;

  constructor(options: {
    readonly rule: Rule;
    readonly secretOf: SecretOf;
    readonly clock: Clock;
    readonly request: TokenRequest;
    /** Names the upstream in problems. */
    readonly where: string;
  }) {
    this.#rule = options.rule;
    this.#secretOf = options.secretOf;
    this.#clock = options.clock;
    this.#request = options.request;
    this.#where = options.where;
  }

  /** The token, when there is one that has not lapsed; begins to renew it when that is due. */
  get current(): SecretBytes | undefined {
    const now = this.#clock.monotonic();
    if (this.#token === undefined || now >= this.#lapses) return undefined;
    if (now >= this.#renewAt) this.renew().catch(() => undefined);
    return this.#token;
  }

  /** What is to be looked for in answers: the token, the one before, and the refresh token. */
  get known(): readonly Buffer[] {
    return [this.#token, this.#replaced, this.#refresh].flatMap((one) => one?.bytes ?? []);
  }

  /** Resolves when there is a token; rejects with a `Problem` 502 `oauth_…`. Many callers share one request. */
  renew(): Promise<void> {
    const now = this.#clock.monotonic();
    if (this.#failed !== undefined && now < this.#failed.until) return Promise.reject(this.#failed.problem);
    this.#running ??= this.#obtain().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** The upstream refused the token: another is asked for before the next call. */
  refused(): void {
    this.#lapses = 0;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const one of [this.#token, this.#replaced, this.#refresh]) one?.[Symbol.dispose]();
    this.#token = undefined;
    this.#replaced = undefined;
    this.#refresh = undefined;
  }

  async #obtain(): Promise<void> {
    try {
      const answer = await this.#request(this.#form(), this.#basic());
      this.#take(answer.status, answer.body);
      this.#failed = undefined;
    } catch (error) {
      const problem =
        error instanceof Problem
          ? error
          : new Problem(502, 'oauth_unreachable', `Cannot get a token for ${this.#where}; try again later.`, { cause: error });
      this.#failed = { problem, until: this.#clock.monotonic() + PAUSE_AFTER_FAILURE };
      throw problem;
    }
  }

  #form(): string {
    const { grant, client_id, client_secret, refresh_token, scope, audience, client_auth } = this.#rule;
    const form = new URLSearchParams({ grant_type: grant });
    if (grant === 'refresh_token' && refresh_token !== undefined)
      form.set('refresh_token', (this.#refresh ?? this.#secretOf(refresh_token)).bytes.toString('latin1'));
    if (scope !== undefined) form.set('scope', scope);
    if (audience !== undefined) form.set('audience', audience);
    if (client_auth === 'form' || client_secret === undefined) form.set('client_id', client_id);
    if (client_auth === 'form' && client_secret !== undefined)
      form.set('client_secret', this.#secretOf(client_secret).bytes.toString('latin1'));
    return form.toString();
  }

  /** RFC 6749, section 2.3.1: both halves are form-encoded first. */
  #basic(): Buffer | undefined {
    const { client_id, client_secret, client_auth } = this.#rule;
    if (client_auth !== 'basic' || client_secret === undefined) return undefined;
    const half = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2);
    const text = `${half(client_id)}:${half(this.#secretOf(client_secret).bytes.toString('latin1'))}`;
    return Buffer.from(`Basic ${Buffer.from(text).toString('base64')}`);
  }

  #take(status: number, body: Buffer): void {
    const answer = parsed(body);
    const token = answer['access_token'];
    const type = answer['token_type'];
    if (status !== 200 || typeof token !== 'string') {
      // The server's own code of one word; its description might quote what it was sent.
      const code = typeof answer['error'] === 'string' && /^[a-z_]{1,40}$/.test(answer['error']) ? answer['error'] : `status ${status}`;
      throw new Problem(
        502,
        'oauth_refused',
        `The token server of ${this.#where} gave no token (${code}); ${
          code === 'invalid_grant'
            ? 'an operator has to seal a bundle with a new refresh token.'
            : 'an operator has to check the client of the bundle.'
        }`,
        { extensions: { reason: code } },
      );
    }
    if (!/^[\x21-\x7e]{1,16000}$/.test(token) || (typeof type === 'string' && type.toLowerCase() !== 'bearer'))
      throw new Problem(502, 'oauth_malformed', `The token server of ${this.#where} gave something that is not a bearer token.`);
    if (this.#disposed) return;
    const life = typeof answer['expires_in'] === 'number' && answer['expires_in'] > 0 ? answer['expires_in'] * 1_000 : DEFAULT_LIFE;
    const now = this.#clock.monotonic();
    this.#lapses = now + life;
    this.#renewAt = now + Math.max(life / 2, life - Math.max(RENEW_AHEAD, life * RENEW_PART));
    this.#replaced?.[Symbol.dispose]();
    this.#replaced = this.#token;
    this.#token = SecretBytes.from(Buffer.from(token, 'latin1'));
    const next = answer['refresh_token'];
    if (typeof next === 'string' && next !== '') {
      this.#refresh?.[Symbol.dispose]();
      this.#refresh = SecretBytes.from(Buffer.from(next, 'latin1'));
    }
  }
}

function parsed(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
