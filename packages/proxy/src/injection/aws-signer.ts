// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { Clock } from '@bureau/core';
import type { UpstreamRule } from '@bureau/protocol';
import { Problem } from '../problem.ts';
import type { SecretOf } from './key-lines.ts';
import { queryWithout } from './query.ts';
import { EMPTY_PAYLOAD, UNSIGNED_PAYLOAD, amzDate, authorizationOf } from './sigv4.ts';

type Rule = Extract<NonNullable<UpstreamRule['auth']>, { kind: 'sigv4' }>;

/** Headers of a signature: the agent's own are those of its placeholder key. */
export const AWS_HEADERS: readonly string[] = ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token'];
/** Parameters of a signature in a query (a presigned URL): the same. */
const AWS_PARAMETERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
]);

/** What a signed request goes out with. */
export interface Signed {
  readonly target: string;
  readonly headers: readonly string[];
}

/** Signs again what an agent signed with its placeholder. Strings are made of the keys for one call; nothing is kept. */
export class AwsSigner {
  readonly #rule: Rule;
  readonly #secretOf: SecretOf;
  readonly #clock: Clock;
  readonly #isTls: boolean;

  constructor(rule: Rule, secretOf: SecretOf, clock: Clock, isTls: boolean) {
    this.#rule = rule;
    this.#secretOf = secretOf;
    this.#clock = clock;
    this.#isTls = isTls;
  }

  /** True when a body has to be read before it can be signed: S3 takes it unsigned, over TLS. */
  get wantsBody(): boolean {
    return this.#rule.service !== 's3' || !this.#isTls;
  }

  /**
   * `passed` are the headers that go out beside (names and values in turn), `claimed` is the agent's `x-amz-content-sha256`.
   * Throws the `Problem` 400 `signature_in_chunks`: each chunk of such a body is signed with a key that is not the agent's.
   */
  sign(method: string, target: string, host: string, passed: readonly string[], body: Uint8Array | undefined, claimed?: string): Signed {
    if (claimed?.startsWith('STREAMING-') === true) {
      throw new Problem(
        400,
        'signature_in_chunks',
        'Expected a body that is not signed in chunks, since its key is not yours; set the checksum of requests to "when_required", or send the body at once.',
        { close: true },
      );
    }
    const mark = target.indexOf('?');
    const path = mark === -1 ? target : target.slice(0, mark);
    const query = queryWithout(mark === -1 ? '' : target.slice(mark + 1), AWS_PARAMETERS) ?? '';
    const payload =
      body === undefined ? UNSIGNED_PAYLOAD : body.length === 0 ? EMPTY_PAYLOAD : createHash('sha256').update(body).digest('hex');
    const now = this.#clock.now();
    const token = this.#rule.session_token === undefined ? undefined : this.#text(this.#rule.session_token);
    const own = [
      'x-amz-date',
      amzDate(now),
      'x-amz-content-sha256',
      payload,
      ...(token === undefined ? [] : ['x-amz-security-token', token]),
    ];
    const headers: [string, string][] = [['host', host]];
    const all = [...passed, ...own];
    for (let index = 0; index < all.length; index += 2) {
      const name = (all[index] as string).toLowerCase();
      if (name.startsWith('x-amz-') || name === 'content-type' || name === 'content-md5') headers.push([name, all[index + 1] as string]);
    }
    const { region, service } = this.#rule;
    const scope = {
      region,
      service,
      accessKey: this.#text(this.#rule.access_key),
      secretKey: this.#secretOf(this.#rule.secret_key).bytes,
    };
    const authorization = authorizationOf({ method, path, query, headers, payload }, scope, now);
    return { target: query === '' ? path : `${path}?${query}`, headers: [...own, 'authorization', authorization] };
  }

  #text(name: string): string {
    return this.#secretOf(name).bytes.toString('latin1');
  }
}
