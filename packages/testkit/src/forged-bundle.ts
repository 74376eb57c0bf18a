// SPDX-License-Identifier: Apache-2.0
import { createHash, sign, type KeyObject } from 'node:crypto';
import { encodeFrame } from '@bureau/ipc';
import { BUNDLE_SIGNATURE_CONTEXT } from '@bureau/protocol';
import { sealBytes } from '@bureau/seal';

/** Bytes of a frame's length, before its msgpack. */
const PREFIX_BYTES = 4;

/** What goes into a bundle, right or wrong: `sealBundle` would refuse most of it. */
export interface ForgedBundle {
  readonly header: unknown;
  readonly secrets: Readonly<Record<string, string>>;
  /** A private Ed25519 key, or the very bytes that stand for a signature. */
  readonly signature: KeyObject | Uint8Array;
  readonly recipients: readonly string[];
  /** What the signature covers instead of `header`. */
  readonly signedHeader?: unknown;
}

/** A bundle of exactly these parts, in base64. */
export async function forgeBundle({ header, secrets, signature, recipients, signedHeader = header }: ForgedBundle): Promise<string> {
  const packed = pack(Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, Buffer.from(value)])));
  const covered = Buffer.concat([Buffer.from(BUNDLE_SIGNATURE_CONTEXT), sha256(json(signedHeader)), sha256(packed)]);
  const made = signature instanceof Uint8Array ? Buffer.from(signature) : sign(null, covered, signature);
  const plain = pack({ header: json(header), secrets: packed, signature: made });
  return Buffer.from(await sealBytes(plain, recipients)).toString('base64');
}

function pack(map: Readonly<Record<string, Buffer>>): Buffer {
  return encodeFrame(map).subarray(PREFIX_BYTES);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
