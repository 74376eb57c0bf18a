// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { hasCode, BureauError } from '@bureau/core';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { SECRET_BYTES, SMALL_FILE_MAX_BYTES } from './limits.ts';

/** What a secret file of ours must hold: hexadecimal digits, a newline. */
const SECRET_TEXT = /^[0-9a-f]{64}\n?$/;

/** The secret in `path`, or `undefined` when there is no such file. Throws `homeserver_secret_malformed`. */
export function readSecretFile(path: string): string | undefined {
  let content: string;
  try {
    content = readBounded(path, SMALL_FILE_MAX_BYTES).toString('latin1');
  } catch (error) {
    if (hasCode(error, 'file_missing')) return undefined;
    throw error;
  }
  if (!SECRET_TEXT.test(content)) {
    throw new BureauError(
      'homeserver_secret_malformed',
      `Expected 64 hexadecimal digits in ${path} and found something else; restore the file from a copy, or remove it to have a new one made`,
      { data: { path } },
    );
  }
  return content.trim();
}

/** The secret in `path`; made at random first where there is none. The file ends up with `owner` and mode 0600. */
export function ensureSecretFile(path: string, owner: { readonly uid: number; readonly gid: number }): string {
  const existing = readSecretFile(path);
  const secret = existing ?? randomBytes(SECRET_BYTES).toString('hex');
  // Written again even when it was there: this is what repairs owner and mode.
  writeFileAtomic(path, `${secret}\n`, { mode: 0o600, uid: owner.uid, gid: owner.gid });
  return secret;
}
