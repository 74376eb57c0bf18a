// SPDX-License-Identifier: Apache-2.0
import { sign, type KeyObject } from 'node:crypto';
import { UsageError } from '@bureau/core';
import {
  BUNDLE_LIFE_MAX,
  BUNDLE_MAX_BYTES,
  HEADER_MAX_BYTES,
  SECRETS_MAX_BYTES,
  bundleHeader,
  secretName,
  type BundleHeader,
} from '@bureau/protocol';
import { Encrypter } from 'age-encryption';
import * as v from 'valibot';
import { encodeBinMap } from './bin-map.ts';
import { RECIPIENTS_MAX, SECRETS_MAX_COUNT } from './limits.ts';
import { signedBytes } from './signed-bytes.ts';
import { unfit, unusable } from './unfit.ts';

/** What goes into a bundle. The caller keeps the secrets' buffers, and zeroes them. */
export interface BundleContent {
  readonly header: BundleHeader;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
}

export interface SealOptions {
  /** The operator's private Ed25519 key. */
  readonly signer: KeyObject;
  /** age X25519 recipients: the machine and the escrow. */
  readonly recipients: readonly string[];
}

/**
 * Signs and seals a bundle (design, section 6). Our copies of the secrets are zeroed, but not those in age-encryption's own 64 KiB
 * buffer, which it keeps until it is collected.
 * Throws `bundle_invalid` (the header or a secret's name is not valid, a secret that the header injects is missing, the life is too
 * long, it is too large), `recipient_invalid`, `signer_invalid`.
 */
export async function sealBundle(content: BundleContent, options: SealOptions): Promise<Uint8Array> {
  if (options.signer.type !== 'private' || options.signer.asymmetricKeyType !== 'ed25519') {
    throw new UsageError('signer_invalid', 'Cannot sign the bundle: expected a private Ed25519 key');
  }
  const encrypter = encrypterFor(options.recipients);
  const header = headerBytes(content);
  const secrets = encodeBinMap(content.secrets);
  let plain: Buffer | undefined;
  try {
    if (secrets.length > SECRETS_MAX_BYTES)
      throw invalid(`the secrets have ${secrets.length} bytes, at most ${SECRETS_MAX_BYTES} are taken`);
    const signature = sign(null, signedBytes(header, secrets), options.signer);
    plain = encodeBinMap([
      ['header', header],
      ['secrets', secrets],
      ['signature', signature],
    ]);
    return await encrypt(encrypter, plain);
  } finally {
    secrets.fill(0);
    plain?.fill(0);
  }
}

/** age for these X25519 recipients. Throws `recipient_invalid`. */
export function encrypterFor(recipients: readonly string[]): Encrypter {
  if (recipients.length === 0 || recipients.length > RECIPIENTS_MAX) {
    throw new UsageError('recipient_invalid', `Cannot seal to ${recipients.length} recipients: expected 1 to ${RECIPIENTS_MAX}`);
  }
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      // The library takes other kinds of recipients too; the launcher opens X25519 only.
      if (!/^age1[a-z0-9]{58}$/.test(recipient)) throw new Error('not an X25519 recipient');
      encrypter.addRecipient(recipient);
    } catch (cause) {
      // Anything else may be an identity, given by mistake.
      const shown = /^age1[a-z0-9]{0,80}$/.test(recipient) ? recipient : 'this recipient';
      throw new UsageError('recipient_invalid', `Cannot seal to ${shown}: expected an age X25519 recipient, "age1" and 58 characters`, {
        cause,
      });
    }
  }
  return encrypter;
}

function headerBytes(content: BundleContent): Buffer {
  const parsed = v.safeParse(bundleHeader, content.header);
  if (!parsed.success)
    throw invalid(`header field ${JSON.stringify(v.getDotPath(parsed.issues[0]) ?? '')} is not valid (${parsed.issues[0].message})`);
  const header = parsed.output;
  if (header.expires_at <= header.issued_at) throw invalid('it expires before it is issued');
  if (header.expires_at - header.issued_at > BUNDLE_LIFE_MAX) throw invalid(`it lives longer than ${BUNDLE_LIFE_MAX / 86_400_000} days`);
  if (content.secrets.size > SECRETS_MAX_COUNT) throw invalid(`it has more than ${SECRETS_MAX_COUNT} secrets`);
  for (const name of content.secrets.keys()) {
    if (!v.is(secretName, name)) throw invalid(`${JSON.stringify(name)} is not a secret's name: expected one such as "MATRIX_TOKEN"`);
  }
  const fault = unfit(header, content.secrets) ?? unusable(header, content.secrets);
  if (fault !== undefined) throw invalid(fault);
  const bytes = Buffer.from(JSON.stringify(header), 'utf8');
  if (bytes.length > HEADER_MAX_BYTES) throw invalid(`the header has ${bytes.length} bytes, at most ${HEADER_MAX_BYTES} are taken`);
  return bytes;
}

/** Through a stream: the library's way for whole buffers loads the HTTP client and copies once more. */
export async function encrypt(encrypter: Encrypter, plain: Buffer): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(plain);
      controller.close();
    },
  });
  for await (const part of await encrypter.encrypt(source)) parts.push(part);
  const sealed = Buffer.concat(parts);
  if (sealed.length > BUNDLE_MAX_BYTES) throw invalid(`sealed it has ${sealed.length} bytes, at most ${BUNDLE_MAX_BYTES} are taken`);
  return sealed;
}

function invalid(fault: string): UsageError {
  return new UsageError('bundle_invalid', `Cannot seal the bundle: ${fault}`);
}
