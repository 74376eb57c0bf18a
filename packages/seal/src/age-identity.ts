// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, randomFillSync, type KeyObject, type webcrypto } from 'node:crypto';
import { BureauError } from '@bureau/core';
import { SecretBytes } from '@bureau/secret';
import { decodeBech32, encodeBech32 } from './bech32.ts';

const IDENTITY_PREFIX = 'age-secret-key-';
const RECIPIENT_PREFIX = 'age';
const KEY_BYTES = 32;
/** Everything of a PKCS #8 X25519 key before its 32 bytes (RFC 8410). */
const PKCS8_START = Buffer.from('302e020100300506032b656e04220420', 'hex');

/**
 * A fresh age X25519 identity: `identity` holds the ASCII of `AGE-SECRET-KEY-1…`, as `age-keygen` writes it; the caller disposes it.
 * No string is made of it.
 */
export async function generateIdentity(): Promise<{ identity: SecretBytes; recipient: string }> {
  const scalar = randomFillSync(Buffer.allocUnsafeSlow(KEY_BYTES));
  const text = encodeBech32(IDENTITY_PREFIX, scalar);
  scalar.fill(0);
  for (const [index, character] of text.entries()) {
    if (character >= 0x61 && character <= 0x7a) text[index] = character - 0x20;
  }
  const identity = SecretBytes.from(text);
  return { identity, recipient: await recipientOf(identity) };
}

/** The recipient (`age1…`) of an identity. Throws `identity_malformed`. */
export async function recipientOf(identity: SecretBytes): Promise<string> {
  const spki = createPublicKey(privateKeyOf(identity)).export({ format: 'der', type: 'spki' });
  return encodeBech32(RECIPIENT_PREFIX, spki.subarray(-KEY_BYTES)).toString('ascii');
}

/** The identity as age-encryption takes it without a string: a key inside OpenSSL that cannot be exported. Throws `identity_malformed`. */
export function decryptionKeyOf(identity: SecretBytes): webcrypto.CryptoKey {
  return privateKeyOf(identity).toCryptoKey('X25519', false, ['deriveBits']);
}

/** OpenSSL's own copy lives until the key is collected, and is cleansed then. */
function privateKeyOf(identity: SecretBytes): KeyObject {
  const scalar = scalarOf(identity.bytes);
  const der = Buffer.concat([PKCS8_START, scalar]);
  scalar.fill(0);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

function scalarOf(text: Uint8Array): Buffer {
  const lower = Buffer.allocUnsafeSlow(text.length);
  for (const [index, character] of text.entries()) {
    // Only the upper-case form is an identity; anything else becomes a character that Bech32 does not know.
    lower[index] = character >= 0x41 && character <= 0x5a ? character + 0x20 : character >= 0x61 && character <= 0x7a ? 0 : character;
  }
  // A file that a person or `age-keygen` wrote ends in a newline.
  const end = lower.at(-1) === 0x0a ? -1 : lower.length;
  const scalar = decodeBech32(IDENTITY_PREFIX, lower.subarray(0, end));
  lower.fill(0);
  if (scalar?.length === KEY_BYTES) return scalar;
  scalar?.fill(0);
  throw new BureauError(
    'identity_malformed',
    'Cannot use the age identity: expected one line "AGE-SECRET-KEY-1…" with a right checksum; restore the file from a copy, or provision the machine again',
  );
}
