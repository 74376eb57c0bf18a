// SPDX-License-Identifier: Apache-2.0
import { readBounded } from '@bureau/files';
import { SecretBytes } from '@bureau/secret';
import type { OperationContext } from '../registry/context.ts';

/** An age identity has 75 bytes, an Ed25519 key in PEM 119. */
const KEY_FILE_MAX_BYTES = 4_096;

/** The escrow identity of this machine, which every bundle is also sealed to. The caller disposes it. Throws `file_missing`. */
export function readEscrowIdentity({ paths }: OperationContext): SecretBytes {
  return SecretBytes.from(readBounded(paths.escrowKeyFile, KEY_FILE_MAX_BYTES));
}

/** The key that this machine's operator signs bundles with, in PEM. The caller disposes it. Throws `file_missing`. */
export function readOperatorKey({ paths }: OperationContext): SecretBytes {
  return SecretBytes.from(readBounded(paths.operatorKeyFile, KEY_FILE_MAX_BYTES));
}

/** An age identity from any file of the caller's. The caller disposes it. */
export function readIdentityFile(path: string): SecretBytes {
  return SecretBytes.from(readBounded(path, KEY_FILE_MAX_BYTES));
}
