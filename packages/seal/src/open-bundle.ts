// SPDX-License-Identifier: Apache-2.0
import { createHash, verify, type KeyObject } from 'node:crypto';
import type { BureauError, MachineName, PrincipalName } from '@bureau/core';
import {
  BUNDLE_LIFE_MAX,
  BUNDLE_SKEW_MAX,
  HEADER_MAX_BYTES,
  SECRETS_MAX_BYTES,
  bundleHeader,
  secretName,
  type BundleHeader,
} from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import { decodeBinMap } from './bin-map.ts';
import { decrypt } from './decrypt.ts';
import { SECRETS_MAX_COUNT } from './limits.ts';
import { refusal } from './refusal.ts';
import { signedBytes } from './signed-bytes.ts';
import { unfit } from './unfit.ts';

/** What a bundle is judged against. */
export interface BundleRules {
  /** The pinned operators' public Ed25519 keys; with none, nothing is accepted. */
  readonly operators: readonly KeyObject[];
  readonly principal: PrincipalName;
  readonly machine: MachineName | string;
  /** Milliseconds since the Unix epoch; `any` for an operator who renews or recovers: neither end nor issue time counts. */
  readonly now: number | 'any';
  /** `issued_at` of the last bundle that was accepted for this principal; absent when there was none. */
  readonly lastIssuedAt?: number | null | undefined;
  /**
   * `contentDigest` of that bundle. With it, a bundle of the same `issued_at` is taken only when its content is the same; without
   * it any of the same time is. Keep it beside `lastIssuedAt`.
   */
  readonly lastDigest?: string | null | undefined;
}

export interface OpenOptions extends BundleRules {
  /** The machine's age identity; stays the caller's. */
  readonly identity: SecretBytes;
}

export interface BundlePlaintext {
  readonly header: BundleHeader;
  /** The header as it was signed; the proxy gets these bytes. */
  readonly headerBytes: Uint8Array;
  /** msgpack map of name → bin (see `decodeSecrets`); the caller disposes it. */
  readonly secrets: SecretBytes;
  /** SHA-256 of header and secrets as they were signed: the same for the same content, however often it is sealed. */
  readonly contentDigest: string;
  /** The one of `operators` whose signature it bears. */
  readonly signer: KeyObject;
}

export interface OpenedBundle extends BundlePlaintext {
  /** SHA-256 of the ciphertext. */
  readonly digest: string;
}

/**
 * Opens and judges a bundle, in this order: size, age, exact shape, signature, header, principal, machine, expiry, life, issue time, replay.
 * Each refusal has its code ({@link BundleRefusal}); `identity_malformed` is the machine's own fault. Whether the sandbox spec is one
 * of `allowed_specs` is the caller's to judge. Every plaintext buffer of ours is zeroed, whatever happens.
 */
export async function openBundle(ciphertext: Uint8Array, options: OpenOptions): Promise<OpenedBundle> {
  const digest = createHash('sha256').update(ciphertext).digest('hex');
  return { ...openPlaintext(await decrypt(ciphertext, options.identity), options), digest };
}

/** {@link openBundle} after decryption. Takes `plain` over: it is all zeros when this returns or throws. */
export function openPlaintext(plain: Buffer, rules: BundleRules): BundlePlaintext {
  try {
    const { header: headerBytes, secrets, signature } = parts(plain);
    const signed = signedBytes(headerBytes, secrets);
    const signer = signature.length === 64 ? rules.operators.find((operator) => isSigned(signed, operator, signature)) : undefined;
    if (signer === undefined) {
      throw refusal(
        'bundle_signature',
        'none of the operators pinned on this machine signed it; pin the operator who did, or have it sealed by one who is',
      );
    }
    const header = parseHeader(headerBytes);
    const contentDigest = createHash('sha256').update(signed).digest('hex');
    judgeHeader(header, contentDigest, rules);
    refuseUnfit(header, secrets);
    return { header, headerBytes: Uint8Array.from(headerBytes), secrets: SecretBytes.from(secrets), contentDigest, signer };
  } finally {
    plain.fill(0);
  }
}

/** The secrets of an opened bundle by name; the values are views of `secrets` and turn to zeros with it. Throws `bundle_malformed`. */
export function decodeSecrets(secrets: Buffer): Map<string, Buffer> {
  const map = decodeBinMap(secrets, SECRETS_MAX_COUNT);
  if (map === undefined || [...map.keys()].some((name) => !v.is(secretName, name))) {
    throw malformed('the secrets are not a map from names such as "MATRIX_TOKEN" to bytes');
  }
  return map;
}

function parts(plain: Buffer): { header: Buffer; secrets: Buffer; signature: Buffer } {
  const map = decodeBinMap(plain, 3);
  const header = map?.get('header');
  const secrets = map?.get('secrets');
  const signature = map?.get('signature');
  if (header === undefined || secrets === undefined || signature === undefined) {
    throw malformed('expected exactly header, secrets and signature, found something else');
  }
  if (header.length > HEADER_MAX_BYTES) throw malformed(`expected a header of at most ${HEADER_MAX_BYTES} bytes, found ${header.length}`);
  if (secrets.length > SECRETS_MAX_BYTES)
    throw malformed(`expected at most ${SECRETS_MAX_BYTES} bytes of secrets, found ${secrets.length}`);
  return { header, secrets, signature };
}

function isSigned(signed: Buffer, operator: KeyObject, signature: Buffer): boolean {
  return operator.type === 'public' && operator.asymmetricKeyType === 'ed25519' && verify(null, signed, operator, signature);
}

function parseHeader(bytes: Buffer): BundleHeader {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw malformed('its header is not JSON in UTF-8');
  }
  const result = v.safeParse(bundleHeader, value, { abortEarly: true });
  if (result.success) return result.output;
  throw malformed(
    `its header's field ${JSON.stringify(v.getDotPath(result.issues[0]) ?? '')} is not what version 1 has there; it may come from a newer Bureau`,
  );
}

/**
 * What {@link openBundle} judges behind the signature, for a bundle that was opened before and is not opened again: principal, machine, expiry, life,
 * issue time, replay. That its signer is still pinned is the caller's to judge. Throws like it.
 */
export function judgeHeader(header: BundleHeader, contentDigest: string, rules: Omit<BundleRules, 'operators'>): void {
  if (header.principal !== rules.principal) {
    throw refusal('bundle_principal', `expected one for ${rules.principal}, found one for ${header.principal}`, {
      expected: rules.principal,
      found: header.principal,
    });
  }
  if (header.machine !== rules.machine) {
    throw refusal('bundle_machine', `expected one for ${rules.machine}, found one for ${header.machine}; seal one for this machine`, {
      expected: rules.machine,
      found: header.machine,
    });
  }
  const { issued_at: issued, expires_at: expires } = header;
  const now = rules.now === 'any' ? Math.min(issued, expires - 1) : rules.now;
  if (expires <= now)
    throw refusal('bundle_expired', `it expired at ${time(expires)}; provision the principal again`, { expires_at: expires });
  if (expires - issued > BUNDLE_LIFE_MAX)
    throw malformed(`it lives longer than ${BUNDLE_LIFE_MAX / 86_400_000} days; provision the principal again with a shorter life`);
  if (issued - now > BUNDLE_SKEW_MAX) {
    throw refusal(
      'bundle_not_yet_valid',
      `it was issued at ${time(issued)}, this machine's clock says ${time(now)}; set the clocks right`,
      { issued_at: issued },
    );
  }
  const last = rules.lastIssuedAt ?? undefined;
  if (last === undefined || issued > last) return;
  const same = issued === last && (rules.lastDigest ?? contentDigest) === contentDigest;
  if (!same) {
    throw refusal(
      'bundle_replayed',
      `it was issued at ${time(issued)}, and one of ${time(last)} was accepted before; provision the principal again`,
      { issued_at: issued, last_issued_at: last },
    );
  }
}

/** After the signature: an operator's mistake is told, and the proxy never meets an injection without its secret. */
function refuseUnfit(header: BundleHeader, secrets: Buffer): void {
  const fault = unfit(header, decodeSecrets(secrets));
  if (fault !== undefined) throw malformed(fault);
}

function malformed(fault: string): BureauError {
  return refusal('bundle_malformed', fault);
}

/** A number that any operator may have signed; not every one is a date. */
function time(milliseconds: number): string {
  return Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : `${milliseconds} ms`;
}
