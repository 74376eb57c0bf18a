// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { BureauError } from '@bureau/core';
import { bundleHeader, secretName, secretsOfUpstream, type BundleHeader } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
// As in ipc: the library's main entry would load a native decoder.
import { Unpackr } from 'msgpackr/unpack';
import * as v from 'valibot';
import { SEARCHED_SECRET_BYTES, injectedHeaderNames } from './injection/key-lines.ts';
import { checkUpstreamUrl, forbiddenInjection } from './upstream-rules.ts';

/**
 * The verified header and the secrets of one bundle. Holds the only copies that live longer than a call: `[Symbol.dispose]` zeroes them.
 */
export class Credentials implements Disposable {
  readonly header: BundleHeader;
  /** SHA-256 of the header's bytes, hexadecimal: says which bundle is in use. */
  readonly digest: string;
  readonly #secrets: ReadonlyMap<string, SecretBytes>;

  private constructor(header: BundleHeader, digest: string, secrets: ReadonlyMap<string, SecretBytes>) {
    this.header = header;
    this.digest = digest;
    this.#secrets = secrets;
  }

  /**
   * Reads what the launcher handed over: the header's JSON bytes and the msgpack map of name → bin, which is zeroed in any case.
   * Throws `header_malformed`, `secrets_malformed`, `secret_missing`, `secret_unusable`, `upstream_insecure` or `injection_unsafe`,
   * never with any of the bytes in the message.
   */
  static open(headerBytes: Uint8Array, secretBytes: Uint8Array, secretsMax: number): Credentials {
    let secrets: ReadonlyMap<string, SecretBytes> | undefined;
    try {
      const header = readHeader(headerBytes);
      secrets = readSecrets(secretBytes, secretsMax);
      checkUpstreams(header, secrets);
      return new Credentials(header, createHash('sha256').update(headerBytes).digest('hex'), secrets);
    } catch (error) {
      for (const secret of secrets?.values() ?? []) secret[Symbol.dispose]();
      throw error;
    } finally {
      secretBytes.fill(0);
    }
  }

  /**
   * The headers with secrets that calls to `service` carry. These are strings, which cannot be zeroed: so they are made for one
   * call, stored nowhere, and left to the collector; core dumps and debuggers are shut out by `PR_SET_DUMPABLE 0`.
   */
  injectedHeaders(service: string): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const rule of this.header.upstreams[service]?.inject ?? []) {
      if ('header' in rule) headers[rule.header.toLowerCase()] = rule.prefix + this.secret(rule.secret).bytes.toString('latin1');
    }
    return headers;
  }

  /** The secret of that name, which stays the bundle's. Throws `secret_missing`. */
  secret(name: string): SecretBytes {
    const secret = this.#secrets.get(name);
    if (secret === undefined) throw new BureauError('secret_missing', `Secret ${name} is not in the bundle`);
    return secret;
  }

  /** Every secret that is looked for in what upstreams say; they stay the bundle's. */
  get searched(): readonly Buffer[] {
    return [...this.#secrets.values()].filter(({ length }) => length >= SEARCHED_SECRET_BYTES).map(({ bytes }) => bytes);
  }

  /** True when a secret is found in `text`, which an upstream reflected and an agent would read. */
  appearIn(text: string): boolean {
    const bytes = Buffer.from(text);
    return this.searched.some((secret) => bytes.includes(secret));
  }

  [Symbol.dispose](): void {
    for (const secret of this.#secrets.values()) secret[Symbol.dispose]();
  }
}

function readHeader(bytes: Uint8Array): BundleHeader {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new BureauError('header_malformed', 'Expected the header of the bundle to be JSON in UTF-8, found something else; seal it again');
  }
  const result = v.safeParse(bundleHeader, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new BureauError(
    'header_malformed',
    `Field ${JSON.stringify(v.getDotPath(issue) ?? '')} of the bundle's header is wrong: ${issue.message}`,
  );
}

/** Takes each secret out of the packed map; the views that msgpackr gives are zeroed as `SecretBytes` takes them over. */
function readSecrets(bytes: Uint8Array, most: number): ReadonlyMap<string, SecretBytes> {
  let value: unknown;
  try {
    value = new Unpackr({ useRecords: false, mapsAsObjects: false }).unpack(bytes);
  } catch {
    throw secretsMalformed();
  }
  if (!(value instanceof Map) || value.size > most) throw secretsMalformed();
  const entries = [...(value as Map<unknown, unknown>)];
  for (const [name, secret] of entries) {
    if (!v.is(secretName, name) || !(secret instanceof Uint8Array) || secret.length === 0) throw secretsMalformed();
  }
  return new Map(entries.map(([name, secret]) => [name as string, SecretBytes.from(secret as Uint8Array)]));
}

function secretsMalformed(): BureauError {
  return new BureauError(
    'secrets_malformed',
    'Expected the secrets of the bundle to be a msgpack map of names such as "MATRIX_TOKEN" to bytes, found something else; seal it again',
  );
}

/** Everything that would only fail at the first request, found when the bundle arrives. */
function checkUpstreams(header: BundleHeader, secrets: ReadonlyMap<string, SecretBytes>): void {
  for (const [service, upstream] of Object.entries(header.upstreams)) {
    checkUpstreamUrl(service, upstream);
    if (upstream.auth?.kind === 'oauth2') checkUpstreamUrl(`${service} (its token_url)`, { url: upstream.auth.token_url });
    const unsafe = injectedHeaderNames(upstream).find(forbiddenInjection);
    if (unsafe !== undefined) {
      throw new BureauError(
        'injection_unsafe',
        `Upstream ${service} injects a secret into header ${unsafe}, which frames or routes the request; use another header`,
      );
    }
    for (const name of secretsOfUpstream(upstream)) {
      const secret = secrets.get(name);
      if (secret === undefined) {
        throw new BureauError(
          'secret_missing',
          `Upstream ${service} injects ${name}, which is not among the secrets of the bundle; seal it again with that secret`,
        );
      }
      if (!secret.bytes.every((byte) => byte >= 0x21 && byte <= 0x7e)) {
        throw new BureauError(
          'secret_unusable',
          `Secret ${name} holds a space, a line end or another byte that a header cannot carry; seal it again without`,
        );
      }
    }
  }
}
