// SPDX-License-Identifier: Apache-2.0
import type { SecretBytes } from '@bureau/secret';
import { decrypt } from './decrypt.ts';
import { encrypt, encrypterFor } from './seal-bundle.ts';

/** Seals plain bytes (a password, say) to age X25519 recipients; unsigned, so only for files that are already root's. Throws `recipient_invalid`. */
export function sealBytes(plain: Uint8Array, recipients: readonly string[]): Promise<Uint8Array> {
  return encrypt(encrypterFor(recipients), Buffer.from(plain));
}

/** What `sealBytes` sealed; the caller zeroes it. Throws `bundle_unreadable`. */
export function openBytes(sealed: Uint8Array, identity: SecretBytes): Promise<Buffer> {
  return decrypt(sealed, identity);
}
