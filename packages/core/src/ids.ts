// SPDX-License-Identifier: Apache-2.0

/** 32 characters: five bits each, none lost, none favoured. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * A fresh id of `length` characters of a-z and 2-7, five bits of randomness each. `randomBytes` gives that many unpredictable bytes
 * (`crypto.randomBytes`; this layer is pure).
 */
export function randomId(length: number, randomBytes: (count: number) => Uint8Array): string {
  let id = '';
  for (const byte of randomBytes(length)) id += ALPHABET[byte & 31];
  return id;
}
