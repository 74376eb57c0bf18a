// SPDX-License-Identifier: Apache-2.0
import { existsSync, linkSync, rmSync } from 'node:fs';
import { UsageError, hasCode, parseServerName, parseUserId, userIdOf, parseLocalpart, type ServerName, type UserId } from '@bureau/core';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { createAccount } from './accounts.ts';
import type { MatrixClient } from './client.ts';
import type { CredentialFile } from './credential-file.ts';
import { CREDENTIAL_FILE_MAX_BYTES } from './limits.ts';

/** Who owns Bureau's rooms. */
export const ADMINISTRATOR = 'bureau-admin';
/** Its one device. */
const DEVICE = 'BUREAU_ADMIN';

export interface AdministratorOptions {
  /** A client without a token. */
  readonly client: MatrixClient;
  readonly credentialFilePath: string;
  readonly credentials: CredentialFile;
  readonly registrationToken?: string | undefined;
  readonly serverName?: ServerName | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Administrator {
  readonly client: MatrixClient;
  readonly userId: UserId;
  readonly serverName: ServerName;
  readonly token: string;
  readonly outcome: 'made' | 'logged in' | 'kept';
}

/**
 * Where the administrator's random password is kept: `<credential file>.password`, same owner, 0600. It is not a line of the credential
 * file because everything that speaks Matrix for an operator reads that file, and only set-up ever needs the password: with it a lost or
 * revoked token is made anew, without the registration token, which may be gone by then.
 */
export function administratorPasswordFile(credentialFilePath: string): string {
  return `${credentialFilePath}.password`;
}

/**
 * A working session of the administrator: the token of the credential file while it works (no new device), else a login with the kept
 * password, else a new account. Throws `matrix_server_name_mismatch` when the server is another than named.
 */
export async function ensureAdministrator(options: AdministratorOptions): Promise<Administrator> {
  const kept = options.credentials.get('MATRIX_ADMIN_TOKEN');
  if (kept !== undefined) {
    const client = options.client.withToken(kept);
    const userId = await tokenOwner(client, options.signal);
    if (userId !== undefined) return administrator(options, client, userId, kept, 'kept');
  }
  const account = await createAccount({
    client: options.client,
    username: ADMINISTRATOR,
    deviceId: DEVICE,
    deviceName: 'Bureau set-up',
    ...(options.registrationToken === undefined ? {} : { registrationToken: options.registrationToken }),
    passwords: passwordFile(administratorPasswordFile(options.credentialFilePath)),
    signal: options.signal,
  });
  const token = Buffer.from(account.accessToken).toString('latin1');
  return administrator(options, options.client.withToken(token), account.userId, token, account.made ? 'made' : 'logged in');
}

function administrator(
  options: AdministratorOptions,
  client: MatrixClient,
  user: string,
  token: string,
  outcome: Administrator['outcome'],
): Administrator {
  const userId = parseUserId(user);
  const serverName = parseServerName(userId.slice(userId.indexOf(':') + 1));
  if (options.serverName !== undefined && options.serverName !== serverName) {
    throw new UsageError(
      'matrix_server_name_mismatch',
      `Expected a homeserver named ${options.serverName}, and it calls itself ${serverName}; give the right --server-name or --homeserver`,
      { data: { expected: options.serverName, found: serverName } },
    );
  }
  if (userId !== userIdOf(parseLocalpart(ADMINISTRATOR), serverName)) {
    throw new UsageError(
      'matrix_not_administrator',
      `Expected the token of @${ADMINISTRATOR}:${serverName} in MATRIX_ADMIN_TOKEN of ${options.credentialFilePath}, and it is ${userId}'s; set-up needs the one who owns Bureau's rooms`,
      { data: { found: userId } },
    );
  }
  return { client, userId, serverName, token, outcome };
}

/** `undefined` when the token is dead. */
async function tokenOwner(client: MatrixClient, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    return (await client.whoami({ signal })).userId;
  } catch (error) {
    if (hasCode(error, 'matrix_unknown_token')) return undefined;
    throw error;
  }
}

function passwordFile(path: string): { recallPassword(): Uint8Array | undefined; rememberPassword(password: Uint8Array): void } {
  return {
    recallPassword() {
      if (!existsSync(path)) return undefined;
      const text = readBounded(path, CREDENTIAL_FILE_MAX_BYTES).toString('latin1').trim();
      if (!/^[!-~]{16,512}$/.test(text))
        throw new UsageError(
          'matrix_password_malformed',
          `Expected one password in ${path} and found something else; restore the file, or remove it if the account ${ADMINISTRATOR} was never made`,
          { data: { path } },
        );
      return Buffer.from(text, 'latin1');
    },
    rememberPassword(password) {
      const temporary = `${path}.${process.pid}.new`;
      writeFileAtomic(temporary, `${Buffer.from(password).toString('latin1')}\n`, { mode: 0o600 });
      try {
        // Unlike a rename, this never replaces the password of another set-up, which may have made the account with it by now.
        linkSync(temporary, path);
      } catch (cause) {
        if (!hasCode(cause, 'EEXIST')) throw cause;
        throw new UsageError('matrix_setup_busy', `Another set-up with ${path} is at work; wait for it, then run this again`, {
          data: { path },
          cause,
        });
      } finally {
        rmSync(temporary, { force: true });
      }
    },
  };
}
