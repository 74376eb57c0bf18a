// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { generateIdentity, recipientOf } from '@bureau/seal';
import { SecretBytes } from '@bureau/secret';

/** An age identity is 74 bytes. */
const IDENTITY_MAX_BYTES = 1_024;

/** The machine's age key pair. */
export interface MachineIdentity {
  readonly identity: SecretBytes;
  readonly recipient: string;
  /** Where the identity is kept; `file` until there is a TPM or systemd-creds. */
  readonly store: 'file';
}

/** Reads the machine's identity from `<directory>/identity.age` (0600), or makes it once; its recipient stands beside it in the clear. */
export async function openMachineIdentity(directory: string): Promise<MachineIdentity> {
  const path = `${directory}/identity.age`;
  if (existsSync(path)) {
    const identity = SecretBytes.from(readBounded(path, IDENTITY_MAX_BYTES));
    return { identity, recipient: await recipientOf(identity), store: 'file' };
  }
  const { identity, recipient } = await generateIdentity();
  writeFileAtomic(path, identity.bytes, { mode: 0o600 });
  writeFileAtomic(`${directory}/recipient`, `${recipient}\n`, { mode: 0o644 });
  return { identity, recipient, store: 'file' };
}
