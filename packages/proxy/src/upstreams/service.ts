// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import { secretsOfUpstream, type UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import { interceptorsOf, type Interceptor } from '../interceptors/interception.ts';
import { AWS_HEADERS, AwsSigner } from '../injection/aws-signer.ts';
import { TokenSource } from '../injection/oauth2.ts';
import { injectedHeaderNames, keyLines, type SecretOf } from '../injection/key-lines.ts';
import { needleOf, needlesOf, type Needle, type Needles } from '../injection/needles.ts';
import { queryWithout } from '../injection/query.ts';
import type { ProxyLimits } from '../limits.ts';
import { Problem } from '../problem.ts';
import { Dialler } from './dial.ts';
import { tokenEndpoint } from './fetch-once.ts';
import { H1Pool } from './h1-pool.ts';
import { H2Client } from './h2-client.ts';
import { ANSWER_HOP_HEADERS, CREDENTIAL_HEADERS, MESSAGE_HEADERS, ORIGIN_HEADERS, OVERRIDE_HEADERS } from './header-rules.ts';

export interface ServiceOptions {
  readonly name: string;
  readonly url: URL;
  readonly principal: string;
  readonly rule: UpstreamRule;
  readonly secretOf: SecretOf;
  readonly limits: ProxyLimits;
  readonly clock: Clock;
}

/** One upstream of one bundle, with everything that can be made ready before a request comes. Its keys are zeroed by `[Symbol.dispose]`. */
export class Service implements Disposable {
  readonly name: string;
  readonly principal: string;
  readonly rule: UpstreamRule;
  /** For problems: the service and its origin. */
  readonly where: string;
  /** The `Host` that it is called by. */
  readonly host: string;
  /** Put before each path; without a slash at its end. */
  readonly basePath: string;
  /** Headers of the agent that do not go out, lower case. */
  readonly droppedHeaders: ReadonlySet<string>;
  /** Headers of an answer that the agent does not get, lower case. */
  readonly strippedHeaders: ReadonlySet<string>;
  /** Headers that each request has, names and values in turn. */
  readonly ownHeaders: readonly string[];
  /** Answers that become events. */
  readonly interceptors: readonly Interceptor[];
  /** Whether keys are looked for in what it answers, beside the heads. */
  readonly redactsBodies: boolean;
  /** Trailers that the agent does not get: those, and what frames a message. */
  readonly droppedTrailers: ReadonlySet<string>;
  readonly headersMilliseconds: number;
  readonly idleMilliseconds: number;
  readonly pool: H1Pool;
  /** Instead of the pool, where the bundle says HTTP/2. */
  readonly h2: H2Client | undefined;
  /** Where the key is a token that is renewed. */
  readonly tokens: TokenSource | undefined;
  /** Where the key signs each request. */
  readonly signer: AwsSigner | undefined;
  /** The rule that a change of protocol may be passed on. */
  readonly websocket: boolean;
  readonly #keys: SecretBytes;
  readonly #secretOf: SecretOf;
  /** Parameter → secret. These become strings, for one call: they stand in the request line. */
  readonly #queryKeys: ReadonlyMap<string, string>;
  readonly #queryNames: ReadonlySet<string>;
  readonly #needles: Needles;
  #token: SecretBytes | undefined;
  #tokenLines: SecretBytes | undefined;

  constructor(options: ServiceOptions) {
    const { rule, url, limits, clock, secretOf } = options;
    this.name = options.name;
    this.principal = options.principal;
    this.rule = rule;
    this.where = `${options.name} at ${rule.unix === undefined ? url.origin : `the socket ${rule.unix}`}`;
    this.host = url.host;
    this.basePath = url.pathname.replace(/\/$/, '');
    this.redactsBodies = rule.redact_bodies !== false && (rule.inject.length > 0 || rule.auth !== undefined);
    this.interceptors = interceptorsOf(options.name, rule);
    this.ownHeaders = this.redactsBodies ? ['accept-encoding', 'identity'] : [];
    const lowered = (names: readonly string[] | undefined): readonly string[] => (names ?? []).map((name) => name.toLowerCase());
    this.droppedHeaders = new Set([
      ...MESSAGE_HEADERS,
      ...CREDENTIAL_HEADERS,
      ...ORIGIN_HEADERS,
      ...(rule.methods === undefined && rule.paths === undefined ? [] : OVERRIDE_HEADERS),
      ...injectedHeaderNames(rule),
      ...lowered(rule.strip_request),
      ...(rule.auth?.kind === 'sigv4' ? AWS_HEADERS : []),
      // What is compressed cannot be searched.
      ...(this.redactsBodies ? ['accept-encoding', 'sec-websocket-extensions'] : []),
      // Set by us, when the agent's own is valid.
      'traceparent',
    ]);
    this.strippedHeaders = new Set([...ANSWER_HOP_HEADERS, ...lowered(rule.strip_response)]);
    this.droppedTrailers = new Set([...MESSAGE_HEADERS, ...this.strippedHeaders]);
    this.headersMilliseconds = rule.timeouts?.headers ?? limits.serviceHeadersMilliseconds;
    this.idleMilliseconds = rule.timeouts?.idle ?? 0;
    const connectMilliseconds = rule.timeouts?.connect ?? limits.upstreamConnectMilliseconds;
    const dialler = new Dialler({ url, rule, protocol: rule.http2 === true ? 'h2' : 'http/1.1', connectMilliseconds, clock });
    this.pool = new H1Pool({
      dialler,
      clock,
      connections: limits.serviceConnections,
      headMost: limits.upstreamHeadBytes,
      waitMilliseconds: connectMilliseconds,
    });
    const { auth } = rule;
    this.websocket = rule.websocket === true && rule.http2 !== true;
    this.h2 =
      rule.http2 === true
        ? new H2Client({ dialler, origin: url.origin, headMost: limits.upstreamHeadBytes, waitMilliseconds: connectMilliseconds })
        : undefined;
    this.signer = auth?.kind === 'sigv4' ? new AwsSigner(auth, secretOf, clock, url.protocol === 'https:') : undefined;
    this.tokens =
      auth?.kind === 'oauth2'
        ? new TokenSource({
            rule: auth,
            secretOf,
            clock,
            where: this.where,
            request: tokenEndpoint(new URL(auth.token_url), rule.ca, this.where, clock),
          })
        : undefined;
    this.#secretOf = secretOf;
    this.#queryKeys = new Map(rule.inject.flatMap((one) => ('query' in one ? [[one.query, one.secret] as const] : [])));
    this.#queryNames = new Set(lowered([...this.#queryKeys.keys()]));
    this.#keys = keyLines(rule, secretOf);
    this.#needles = needlesOf(rule, secretsOfUpstream(rule), secretOf);
  }

  /** The header lines with keys, as of now; a renewed token's with it. Only when `ready`. */
  get keys(): Buffer {
    const token = this.tokens?.current;
    if (token === undefined) return this.#keys.bytes;
    if (token !== this.#token) {
      this.#token = token;
      this.#tokenLines?.[Symbol.dispose]();
      this.#tokenLines = SecretBytes.from(
        Buffer.concat([this.#keys.bytes, Buffer.from('authorization: Bearer '), token.bytes, Buffer.from('\r\n')]),
      );
    }
    return (this.#tokenLines as SecretBytes).bytes;
  }

  /** False while a token is missing: `tokens.renew` first. */
  get ready(): boolean {
    return this.tokens === undefined || this.tokens.current !== undefined;
  }

  /** The target with the parameters that carry keys, and without the agent's own of their names. Throws the `Problem` 400 `query_ambiguous`. */
  withQueryKeys(target: string): string {
    if (this.#queryKeys.size === 0) return target;
    const mark = target.indexOf('?');
    const kept = queryWithout(mark === -1 ? '' : target.slice(mark + 1), this.#queryNames);
    if (kept === undefined)
      throw new Problem(
        400,
        'query_ambiguous',
        'Expected a query without ";" before the name of a parameter that the proxy sets; write "&".',
      );
    let query = kept;
    for (const [name, secret] of this.#queryKeys)
      query += `${query === '' ? '' : '&'}${name}=${encodeURIComponent(this.#secretOf(secret).bytes.toString('latin1'))}`;
    return `${mark === -1 ? target : target.slice(0, mark)}?${query}`;
  }

  /** What an answer must not hold. */
  get needles(): readonly Needle[] {
    const { list } = this.#needles;
    return this.tokens === undefined ? list : [...list, ...this.tokens.known.map(needleOf)];
  }

  /** Cuts what still runs and zeroes every key. Idempotent. */
  [Symbol.dispose](): void {
    this.pool.destroy();
    this.h2?.destroy();
    this.tokens?.[Symbol.dispose]();
    this.#tokenLines?.[Symbol.dispose]();
    this.#keys[Symbol.dispose]();
    this.#needles[Symbol.dispose]();
  }
}
