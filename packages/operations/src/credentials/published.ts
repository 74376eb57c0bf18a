// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from 'node:crypto';
import { BureauError, userIdOf, type PrincipalName } from '@bureau/core';
import { BUNDLE_LIFE_MAX, EVENT_TYPES, credentialsContent, secretsOfUpstream, type BundleHeader } from '@bureau/protocol';
import { decodeSecrets, openBundle, operatorSigner, recipientOf, sealBundle } from '@bureau/seal';
import type { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import type { Operator } from '../operator.ts';
import type { OperationContext } from '../registry/context.ts';
import { readEscrowIdentity, readOperatorKey } from './keys.ts';

/** Name of the one secret that every principal has. */
export const MATRIX_TOKEN = 'MATRIX_TOKEN';
/** A bundle that ends within this is sealed anew when the operator touches its principal. */
const RENEW_BEFORE = 30 * 86_400_000;
/** A day less than the most: clocks differ. */
const USUAL_LIFE = BUNDLE_LIFE_MAX - 86_400_000;

/** A bundle of the config room, opened by its operator. Disposing it zeroes the secrets. */
export interface PublishedBundle extends Disposable {
  readonly header: BundleHeader;
  /** Views that turn to zeros with the bundle. */
  readonly secrets: ReadonlyMap<string, Buffer>;
  readonly recipients: readonly string[];
  /** Sealed for this machine's key and homeserver, and far from its end. */
  readonly fresh: boolean;
}

/** What of a header an operator decides; the rest follows from the principal, the machine and the clock. */
export type BundleRules = Pick<BundleHeader, 'upstreams' | 'egress' | 'limits' | 'files' | 'allowed_specs' | 'note'>;

/** What is to be sealed. */
export interface BundleWish {
  readonly rules: BundleRules;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Milliseconds from now; absent: nearly a year. */
  readonly life?: number | undefined;
}

/** Who may have signed what is opened, and whose key opens it; absent: this machine's operator and escrow key. */
export interface OpenWith {
  readonly operators: readonly KeyObject[];
  readonly identity: SecretBytes;
}

/**
 * The principal's bundle as the config room has it, opened with the escrow key whatever its times are; `undefined` when there is
 * none. Throws `bundle_*` when it cannot be opened or another operator signed it.
 */
export async function openPublished(
  operator: Operator,
  principal: PrincipalName,
  context: OperationContext,
  openWith?: OpenWith,
): Promise<PublishedBundle | undefined> {
  const { machine } = operator;
  const content = await operator.client.state(machine.configRoom, EVENT_TYPES.credentials, principal, { signal: context.signal });
  const parsed = v.safeParse(credentialsContent, content ?? {});
  if (!parsed.success) return undefined;
  const { recipients } = parsed.output;
  using escrow = openWith === undefined ? readEscrowIdentity(context) : undefined;
  using signing = openWith === undefined ? readOperatorKey(context) : undefined;
  const opened = await openBundle(Buffer.from(parsed.output.bundle, 'base64'), {
    identity: openWith?.identity ?? (escrow as SecretBytes),
    operators: openWith?.operators ?? [createPublicKey({ key: (signing as SecretBytes).bytes, format: 'pem' })],
    principal,
    machine: machine.machine,
    now: 'any',
  });
  const { header } = opened;
  return {
    header,
    secrets: decodeSecrets(opened.secrets.bytes),
    recipients,
    fresh:
      recipients.includes(machine.recipient) &&
      header.upstreams['matrix']?.url === machine.homeserverUrl &&
      header.expires_at - context.clock.now() > RENEW_BEFORE,
    [Symbol.dispose]: () => opened.secrets[Symbol.dispose](),
  };
}

/** {@link openPublished}, where what cannot be opened counts as not there: a new one is sealed over it. */
export async function openIfOurs(
  operator: Operator,
  principal: PrincipalName,
  context: OperationContext,
): Promise<PublishedBundle | undefined> {
  try {
    return await openPublished(operator, principal, context);
  } catch (error) {
    if (error instanceof BureauError && error.code.startsWith('bundle_')) return undefined;
    throw error;
  }
}

/** The upstream that every principal has: the homeserver with its token. */
export function matrixUpstream(operator: Operator): BundleHeader['upstreams'] {
  return {
    matrix: { url: operator.machine.homeserverUrl, inject: [{ secret: MATRIX_TOKEN, header: 'Authorization', prefix: 'Bearer ' }] },
  };
}

/** The operator's part of an opened bundle, to seal it again with some of it changed. */
export function rulesOf({ header }: PublishedBundle): BundleRules {
  const { v: _v, principal: _principal, machine: _machine, user_id: _user, issued_at: _issued, expires_at: _expires, ...rules } = header;
  return rules;
}

/** The names of all secrets that rules need. */
export function secretsUsedBy({ upstreams, files }: BundleRules): Set<string> {
  return new Set([...Object.values(upstreams).flatMap(secretsOfUpstream), ...Object.keys(files ?? {})]);
}

/**
 * Seals to machine and escrow, signs, and publishes; the daemon hands it to the launcher at once. Its issue time is after
 * `lastIssuedAt`, so that the launcher never takes it for an old one. Throws `bundle_invalid`.
 */
export async function publishBundle(
  operator: Operator,
  principal: PrincipalName,
  wish: BundleWish,
  lastIssuedAt: number,
  context: OperationContext,
): Promise<BundleHeader> {
  const { machine } = operator;
  const issuedAt = Math.max(context.clock.now(), lastIssuedAt + 1);
  const header: BundleHeader = {
    v: 1,
    principal,
    machine: machine.machine,
    user_id: userIdOf(principal, machine.serverName),
    issued_at: issuedAt,
    expires_at: issuedAt + (wish.life ?? USUAL_LIFE),
    ...wish.rules,
  };
  using escrow = readEscrowIdentity(context);
  using signing = readOperatorKey(context);
  const recipients = [machine.recipient, await recipientOf(escrow)];
  const sealed = await sealBundle({ header, secrets: wish.secrets }, { signer: operatorSigner(signing), recipients });
  const content = { v: 1, principal, bundle: Buffer.from(sealed).toString('base64'), recipients };
  await operator.client.setState(machine.configRoom, EVENT_TYPES.credentials, principal, content, { signal: context.signal });
  return header;
}
