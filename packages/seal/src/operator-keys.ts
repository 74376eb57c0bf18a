// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BureauError } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { SecretBytes } from '@bureau/secret';
import { OPERATORS_MAX, OPERATOR_FILE_MAX_BYTES } from './limits.ts';

const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'ascii');

/** A fresh Ed25519 key: the private half as PKCS #8 PEM for a 0600 file (the caller disposes it; no string is made of it), the public half as SPKI PEM. */
export function generateOperatorKey(): { privatePem: SecretBytes; publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  // 48 bytes: exactly one line of base64, without padding.
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const lines = base64(der);
  const pem = Buffer.concat([Buffer.from('-----BEGIN PRIVATE KEY-----\n'), lines, Buffer.from('\n-----END PRIVATE KEY-----\n')]);
  der.fill(0);
  lines.fill(0);
  return { privatePem: SecretBytes.from(pem), publicPem: publicKey.export({ format: 'pem', type: 'spki' }).toString() };
}

/** The signer for `sealBundle` from an operator's private PEM. Throws `operator_key_malformed`. */
export function operatorSigner(privatePem: SecretBytes): KeyObject {
  try {
    const key = createPrivateKey({ key: privatePem.bytes, format: 'pem' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // OpenSSL's reason says nothing that a person could use.
  }
  throw new BureauError(
    'operator_key_malformed',
    'Cannot use the operator key: expected a private Ed25519 key in PEM (PKCS #8); restore the file from a copy',
  );
}

/**
 * The operators pinned on this machine: every `*.pub` file (public Ed25519 key in PEM) of a directory, in the order of names; other
 * files are not looked at. Whoever can write there decides which bundles are taken, so directory and files must be root's and
 * writable by root alone.
 * Throws `operators_missing` (no directory), `operators_unsafe`, `operator_key_malformed`: one bad file refuses all, so that nobody
 * believes an operator pinned or gone who is not.
 */
export function readOperatorKeys(directory: string): KeyObject[] {
  return readOperators(directory).map(({ key }) => key);
}

/** An operator of this machine: the file's name without `.pub`, and the key in it. */
export interface PinnedOperator {
  readonly name: string;
  readonly key: KeyObject;
}

/** Keys by the text of their files, kept by somebody who reads the files again and again: the same text is the same key. */
export type ParsedKeys = Map<string, KeyObject>;

/** {@link readOperatorKeys} with the names by which a machine's policy speaks of them. The files are read anew each time, `parsed` or not. */
export function readOperators(directory: string, parsed?: ParsedKeys): PinnedOperator[] {
  refuseUnsafe(directory);
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.pub'))
    .toSorted();
  if (names.length > OPERATORS_MAX) {
    throw new BureauError(
      'operators_unsafe',
      `Refused ${directory}: expected at most ${OPERATORS_MAX} operators, found ${names.length}; remove those who left`,
      { data: { directory } },
    );
  }
  return names.map((name) => ({ name: name.slice(0, -'.pub'.length), key: readOperatorKey(join(directory, name), parsed) }));
}

function refuseUnsafe(directory: string): void {
  let found;
  try {
    found = lstatSync(directory);
  } catch (cause) {
    throw new BureauError(
      'operators_missing',
      `Cannot read ${directory}: expected a directory with the operators' public keys; provision the machine`,
      { data: { directory }, cause },
    );
  }
  if (found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) return;
  throw new BureauError(
    'operators_unsafe',
    `Refused ${directory}: expected a directory of root's that nobody else can write; check what is in it, then correct owner and mode`,
    { data: { directory } },
  );
}

function readOperatorKey(path: string, parsed: ParsedKeys | undefined): KeyObject {
  let pem: Buffer;
  try {
    pem = readBounded(path, OPERATOR_FILE_MAX_BYTES, { owner: 0 });
  } catch (cause) {
    throw new BureauError(
      'operators_unsafe',
      `Refused the operator key ${path}: expected a small regular file of root's that nobody else can write; check who put it there`,
      { data: { path }, cause },
    );
  }
  const key = publicKeyOf(pem, parsed);
  if (key !== undefined) return key;
  throw new BureauError(
    'operator_key_malformed',
    `Cannot use the operator key ${path}: expected a public Ed25519 key in PEM; put the right file there or remove it`,
    { data: { path } },
  );
}

/** Undefined for what is no public Ed25519 key in PEM. */
function publicKeyOf(pem: Buffer, parsed: ParsedKeys | undefined): KeyObject | undefined {
  // createPublicKey also takes a private key, which has no business here.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----') || pem.includes('PRIVATE')) return undefined;
  const text = pem.toString('latin1');
  const known = parsed?.get(text);
  if (known !== undefined) return known;
  try {
    const key = createPublicKey({ key: pem, format: 'pem' });
    if (key.asymmetricKeyType !== 'ed25519') return undefined;
    if ((parsed?.size ?? 0) >= OPERATORS_MAX) parsed?.clear();
    parsed?.set(text, key);
    return key;
  } catch {
    return undefined;
  }
}

/** Base64 of a multiple of three bytes, without a string. */
function base64(bytes: Buffer): Buffer {
  const text = Buffer.alloc((bytes.length / 3) * 4);
  for (let group = 0; group * 3 < bytes.length; group += 1) {
    const value = bytes.readUIntBE(group * 3, 3);
    for (let place = 0; place < 4; place += 1) text[group * 4 + place] = BASE64[(value >>> (18 - 6 * place)) & 63] ?? 0;
  }
  return text;
}
