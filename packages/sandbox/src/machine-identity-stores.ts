// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, statSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { absolutePath, text } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';

/** Where a machine's identity can lie, best first. A kernel keyring forgets it at a reboot, so it is none (ADR 0011). */
export const IDENTITY_STORES = ['tpm2', 'systemd-creds', 'file'] as const;
export type IdentityStoreName = (typeof IDENTITY_STORES)[number];

/** An age identity is 75 bytes; sealed by systemd-creds with a TPM 800. */
const SEALED_MAX_BYTES = 16_384;
/** A TPM may think for seconds; longer is a TPM that does not answer. */
const SEAL_MILLISECONDS = 30_000;
const SYSTEMD_CREDS = '/usr/bin/systemd-creds';
/** Bound into what is sealed: nothing else that this host sealed passes for it. */
const NAME = '--name=bureau-machine-identity';
const FILES: Readonly<Record<IdentityStoreName, string>> = {
  tpm2: 'identity.tpm2',
  'systemd-creds': 'identity.cred',
  file: 'identity.age',
};

/** `/etc/bureau/identity.json`, root's; absent: the best store that this host has, with its first TPM. */
export const identitySettings = v.strictObject({
  v: v.literal(1),
  store: v.optional(v.picklist(['auto', ...IDENTITY_STORES]), 'auto'),
  /** The TPM's device, or `swtpm:path=SOCKET`. */
  tpm2_device: v.optional(v.union([absolutePath, v.pipe(text(200), v.regex(/^swtpm:path=\/[A-Za-z0-9/._-]+$/))]), '/dev/tpmrm0'),
});
export type IdentitySettings = v.InferOutput<typeof identitySettings>;

/** Where a store keeps the identity. */
export function identityFile(directory: string, store: IdentityStoreName): string {
  return `${directory}/${FILES[store]}`;
}

/** Why a store cannot be used on this host; `undefined` when nothing speaks against trying. */
export function unavailable(store: IdentityStoreName, settings: IdentitySettings): string | undefined {
  if (store === 'file') return undefined;
  if (!isProgram(SYSTEMD_CREDS)) return `${SYSTEMD_CREDS} is missing (Debian: systemd)`;
  if (store === 'systemd-creds') return undefined;
  const device = settings.tpm2_device.replace(/^swtpm:path=/, '');
  return existsSync(device) ? undefined : `there is no TPM 2 at ${device}`;
}

/** Reads the identity from a store that has one. Throws `identity_unavailable` with what to do, `file_unsafe`. */
export async function readStore(directory: string, store: IdentityStoreName, settings: IdentitySettings): Promise<SecretBytes> {
  const sealed = readBounded(identityFile(directory, store), SEALED_MAX_BYTES, { owner: 0 });
  if (store === 'file') return SecretBytes.from(sealed);
  return await call(store, ['decrypt', ...deviceOf(store, settings), NAME, '-', '-'], sealed);
}

/** Puts the identity into a store, whole or not at all. Throws `identity_unavailable`. */
export async function writeStore(
  directory: string,
  store: IdentityStoreName,
  identity: SecretBytes,
  settings: IdentitySettings,
): Promise<void> {
  const path = identityFile(directory, store);
  if (store === 'file') return writeFileAtomic(path, identity.bytes, { mode: 0o600 });
  // PCR 16 is the debug register, which nothing measures into: an update of the firmware takes no machine its identity.
  const key = store === 'tpm2' ? ['--with-key=tpm2', '--tpm2-pcrs=16'] : ['--with-key=host'];
  using sealed = await call(store, ['encrypt', ...key, ...deviceOf(store, settings), NAME, '-', '-'], identity.bytes);
  writeFileAtomic(path, sealed.bytes, { mode: 0o600 });
}

/** Overwrites and removes what a store holds. What the disk's own electronics keep of a plain file, nobody can promise to take away. */
export function removeStore(directory: string, store: IdentityStoreName): void {
  const path = identityFile(directory, store);
  if (!existsSync(path)) return;
  writeFileAtomic(path, Buffer.alloc(statSync(path).size), { mode: 0o600 });
  rmSync(path);
}

function deviceOf(store: IdentityStoreName, { tpm2_device: device }: IdentitySettings): string[] {
  return store === 'tpm2' ? [`--tpm2-device=${device}`] : [];
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs systemd-creds with `input` on stdin and an empty environment; its output never becomes a string. */
async function call(store: IdentityStoreName, args: readonly string[], input: Uint8Array): Promise<SecretBytes> {
  const child = spawn(SYSTEMD_CREDS, args, { env: {}, stdio: ['pipe', 'pipe', 'pipe'], timeout: SEAL_MILLISECONDS, killSignal: 'SIGKILL' });
  const parts: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (said = (said + piece).slice(-500)));
  child.stdin.on('error', () => undefined); // told by its exit code
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  const output = SecretBytes.from(Buffer.concat(parts));
  for (const part of parts) part.fill(0);
  if (code === 0 && output.length > 0) return output;
  output[Symbol.dispose]();
  const what = store === 'tpm2' ? 'the TPM 2 that sealed it' : "this host's key (/var/lib/systemd/credential.secret)";
  const reason = said.trim().split('\n').at(-1) ?? '';
  throw new BureauError(
    'identity_unavailable',
    `Cannot ${args[0]} the machine's identity: expected ${what} to do it, found ${reason === '' ? `exit code ${code}` : JSON.stringify(reason)}. If it is gone for good: move the identity.* files of this directory aside, run script/up (a new identity is made), then "bureau credential recover" for each principal`,
    { data: { store } },
  );
}
