// SPDX-License-Identifier: Apache-2.0
import { BUNDLE_MAX_BYTES } from '@bureau/protocol';
import type { SecretBytes } from '@bureau/secret';
import { Decrypter } from 'age-encryption';
import { decryptionKeyOf } from './age-identity.ts';
import { AGE_HEADER_MAX_BYTES } from './limits.ts';
import { refusal } from './refusal.ts';

/**
 * The plaintext of an age file, in a buffer of its own that the caller zeroes. Throws `bundle_malformed` (too large) and
 * `bundle_unreadable`.
 *
 * What cannot be zeroed: the file key and the stream key inside age-encryption, and a chunk of a damaged file that it had decrypted
 * but not yet handed out. The identity never becomes a string.
 */
export async function decrypt(ciphertext: Uint8Array, identity: SecretBytes): Promise<Buffer> {
  if (ciphertext.length > BUNDLE_MAX_BYTES) {
    throw refusal('bundle_malformed', `expected at most ${BUNDLE_MAX_BYTES} bytes, found ${ciphertext.length}`);
  }
  const end = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, Math.min(ciphertext.length, AGE_HEADER_MAX_BYTES)).indexOf('\n--- ');
  if (end < 0) throw refusal('bundle_unreadable', 'it is not an age file, or one with very many recipients; seal it again');
  const decrypter = new Decrypter();
  decrypter.addIdentity(decryptionKeyOf(identity));
  try {
    return await collect(await decrypter.decrypt(streamOf(ciphertext)), ciphertext.length);
  } catch {
    // The library's reason is about bytes that a stranger chose; it adds nothing that helps.
    throw refusal(
      'bundle_unreadable',
      'it is damaged, or sealed to another machine; seal it again to the recipient that this machine publishes',
    );
  }
}

/** Gathers a stream of at most `limit` bytes, zeroing each chunk, and everything when it fails. */
export async function collect(stream: ReadableStream<Uint8Array>, limit: number): Promise<Buffer> {
  const whole = Buffer.alloc(limit);
  let length = 0;
  try {
    for await (const chunk of stream) {
      try {
        whole.set(chunk, length);
        length += chunk.length;
      } finally {
        chunk.fill(0);
      }
    }
    return whole.subarray(0, length);
  } catch (error) {
    whole.fill(0);
    throw error;
  }
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}
