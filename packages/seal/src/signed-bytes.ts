// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { BUNDLE_SIGNATURE_CONTEXT } from '@bureau/protocol';

/** What an operator signs: the context, then the SHA-256 of the header's and of the secrets' bytes (design, section 6). */
export function signedBytes(header: Uint8Array, secrets: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(BUNDLE_SIGNATURE_CONTEXT, 'ascii'), sha256(header), sha256(secrets)]);
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
