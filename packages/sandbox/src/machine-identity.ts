// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, describeError } from '@bureau/core';
import { readBounded, readJson, writeFileAtomic } from '@bureau/files';
import { generateIdentity, recipientOf } from '@bureau/seal';
import type { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import {
  IDENTITY_STORES,
  identityFile,
  identitySettings,
  readStore,
  removeStore,
  unavailable,
  writeStore,
  type IdentitySettings,
  type IdentityStoreName,
} from './machine-identity-stores.ts';

const RECIPIENT_MAX_BYTES = 1_024;
const SETTINGS_MAX_BYTES = 4_096;

/** The machine's age key pair. */
export interface MachineIdentity {
  readonly identity: SecretBytes;
  readonly recipient: string;
  readonly store: IdentityStoreName;
  /** Better stores, and why they are not used. */
  readonly notBetter: readonly string[];
}

/** Reads `identity.json`; a missing file gives the defaults. Throws `file_malformed`, `file_unsafe`. */
export function readIdentitySettings(path: string): IdentitySettings {
  return existsSync(path) ? readJson(path, identitySettings, SETTINGS_MAX_BYTES) : v.parse(identitySettings, { v: 1 });
}

/**
 * The machine's identity from the store that has it, or made once in the best that this host offers; its recipient stands beside it
 * in the clear. Throws `identity_unavailable`: never is another made while one is there, since nothing sealed to it could be opened.
 */
export async function openMachineIdentity(
  directory: string,
  settings: IdentitySettings = readIdentitySettings(''),
): Promise<MachineIdentity> {
  const found = await readIdentity(directory, settings);
  const machine = found ?? (await makeIdentity(directory, settings));
  publishRecipient(`${directory}/recipient`, machine.recipient);
  return machine;
}

/**
 * Moves the identity to another store: writes it there, reads it back, and only then takes it from where it was. The recipient stays.
 * Throws `identity_missing`, `identity_unavailable`; then it is where it was.
 */
export async function migrateIdentity(directory: string, to: IdentityStoreName, settings: IdentitySettings): Promise<MachineIdentity> {
  const from = await readIdentity(directory, settings);
  if (from === undefined)
    throw new BureauError('identity_missing', `Expected an identity in ${directory}, found none; script/up makes one`);
  const reason = unavailable(to, settings);
  if (reason !== undefined) throw new BureauError('identity_unavailable', `Cannot keep the identity in ${to}: ${reason}`);
  if (from.store !== to) {
    await writeStore(directory, to, from.identity, settings);
    using back = await readStore(directory, to, settings);
    if ((await recipientOf(back)) !== from.recipient)
      throw new BureauError('identity_unavailable', `${to} gave back another identity; it is still in ${from.store}`);
  }
  for (const other of IDENTITY_STORES) if (other !== to) removeStore(directory, other);
  return { ...from, store: to, notBetter: reasonsAgainst(to, settings) };
}

/** From the best store that holds it; a worse one counts only when a better fails, as after a crash in the middle of a migration. */
async function readIdentity(directory: string, settings: IdentitySettings): Promise<MachineIdentity | undefined> {
  const holding = IDENTITY_STORES.filter((store) => existsSync(identityFile(directory, store)));
  const failures: Error[] = [];
  for (const store of holding) {
    try {
      const identity = await readStore(directory, store, settings);
      try {
        return { identity, recipient: await recipientOf(identity), store, notBetter: reasonsAgainst(store, settings) };
      } catch (error) {
        identity[Symbol.dispose]();
        throw error;
      }
    } catch (error) {
      failures.push(error as Error);
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  return undefined;
}

async function makeIdentity(directory: string, settings: IdentitySettings): Promise<MachineIdentity> {
  const made = await generateIdentity();
  const wanted = settings.store === 'auto' ? IDENTITY_STORES : [settings.store];
  const failures: string[] = [];
  for (const store of wanted) {
    try {
      const reason = unavailable(store, settings);
      if (reason !== undefined) throw new BureauError('identity_unavailable', reason);
      await writeStore(directory, store, made.identity, settings);
      return { ...made, store, notBetter: failures };
    } catch (error) {
      failures.push(`${store}: ${describeError(error)}`);
    }
  }
  made.identity[Symbol.dispose]();
  throw new BureauError(
    'identity_unavailable',
    `Cannot keep a new identity in ${wanted.join(', ')}: ${failures.join('; ')}. Change "store" in identity.json`,
  );
}

function reasonsAgainst(store: IdentityStoreName, settings: IdentitySettings): string[] {
  const better = IDENTITY_STORES.slice(0, IDENTITY_STORES.indexOf(store));
  return better.map((each) => `${each}: ${unavailable(each, settings) ?? 'could be used: bureau machine identity migrate'}`);
}

/** Looked at each time: a crash between identity and recipient must not leave a machine that nobody can seal for. */
function publishRecipient(path: string, recipient: string): void {
  const line = `${recipient}\n`;
  if (existsSync(path) && readBounded(path, RECIPIENT_MAX_BYTES).toString('utf8') === line) return;
  writeFileAtomic(path, line, { mode: 0o644 });
}
