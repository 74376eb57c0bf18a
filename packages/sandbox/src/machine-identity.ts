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
  const { identity, recipient } = existsSync(path) ? await readIdentity(path) : await makeIdentity(path);
  publishRecipient(`${directory}/recipient`, recipient);
  return { identity, recipient, store: 'file' };
}

async function readIdentity(path: string): Promise<{ identity: SecretBytes; recipient: string }> {
  const identity = SecretBytes.from(readBounded(path, IDENTITY_MAX_BYTES, { owner: 0 }));
  try {
    return { identity, recipient: await recipientOf(identity) };
  } catch (error) {
    identity[Symbol.dispose]();
    throw error;
  }
}

async function makeIdentity(path: string): Promise<{ identity: SecretBytes; recipient: string }> {
  const made = await generateIdentity();
  writeFileAtomic(path, made.identity.bytes, { mode: 0o600 });
  return made;
}

/** Looked at each time: a crash between identity and recipient must not leave a machine that nobody can seal for. */
function publishRecipient(path: string, recipient: string): void {
  const line = `${recipient}\n`;
  if (existsSync(path) && readBounded(path, IDENTITY_MAX_BYTES).toString('utf8') === line) return;
  writeFileAtomic(path, line, { mode: 0o644 });
}
