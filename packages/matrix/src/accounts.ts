// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { BureauError, hasCode } from '@bureau/core';
import type { MatrixClient } from './client.ts';
import type { CallOptions } from './http.ts';
import { PASSWORD_BYTES } from './limits.ts';
import { loginAfresh } from './one-session.ts';
import type { MatrixSession } from './session.ts';

/** Where a password is between two attempts at one account. What is kept is as secret as the account. */
export interface PasswordKeeper {
  /** The password of an earlier attempt, if there was one. The caller's bytes are copied, not kept. */
  recallPassword(): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /** Must be on disk when this resolves: only then is the account made. The bytes are zeroed afterwards. */
  rememberPassword(password: Uint8Array): Promise<void> | void;
}

export interface NewAccount extends CallOptions {
  /** Any client of the server; its token is not used. */
  readonly client: MatrixClient;
  /** The localpart. */
  readonly username: string;
  /** Absent: an existing account only. */
  readonly registrationToken?: string;
  /** One device per machine (or sandbox); the token belongs to it. */
  readonly deviceId: string;
  readonly deviceName?: string;
  readonly passwords: PasswordKeeper;
}

export interface Account {
  readonly userId: string;
  readonly deviceId: string;
  /** ASCII. The caller owns and zeroes it. */
  readonly accessToken: Uint8Array;
  /** False: it was there, and was logged in to. */
  readonly made: boolean;
}

/**
 * An account with a random password and one device, and that device's only token. May be repeated after a crash anywhere: the password
 * is kept before the server learns it, so an account that was made and then lost sight of is logged in to.
 * Throws `matrix_account_locked_out` when the name is taken by an account whose password is another, and
 * `matrix_registration_token_refused`.
 */
export async function createAccount(account: NewAccount): Promise<Account> {
  const recalled = await account.passwords.recallPassword();
  const password = recalled === undefined ? Buffer.from(randomBytes(PASSWORD_BYTES).toString('hex'), 'latin1') : Buffer.from(recalled);
  try {
    // The string is needed for JSON; it is short-lived and not kept.
    const text = password.toString('latin1');
    if (recalled === undefined) await remember(account.passwords, password);
    const { session, made } = await registerOrLogin(account, text, recalled !== undefined);
    return { userId: session.userId, deviceId: session.deviceId, accessToken: Buffer.from(session.accessToken, 'latin1'), made };
  } finally {
    password.fill(0);
  }
}

/** Deletes the token's device; the next use of any of its tokens is refused. Fine when it is gone already. */
export async function revokeAccess(client: MatrixClient, options: CallOptions = {}): Promise<void> {
  await client.logout(options);
}

/** Gives the keeper a copy, zeroed when it is done. */
async function remember(passwords: PasswordKeeper, password: Uint8Array): Promise<void> {
  const copy = Buffer.from(password);
  try {
    await passwords.rememberPassword(copy);
  } finally {
    copy.fill(0);
  }
}

async function registerOrLogin(
  account: NewAccount,
  password: string,
  recalled: boolean,
): Promise<{ session: MatrixSession; made: boolean }> {
  const { client, username, registrationToken, deviceId, deviceName, signal } = account;
  const login = { username, password, deviceId, ...(deviceName === undefined ? {} : { deviceName }) };
  if (recalled) {
    const session = await tryLogin(account, login);
    if (session !== undefined) return { session, made: false };
  }
  if (registrationToken === undefined) throw lockedOut(username);
  try {
    return { session: await client.register({ ...login, registrationToken }, { signal }), made: true };
  } catch (error) {
    if (!hasCode(error, 'matrix_user_in_use')) throw error;
    throw lockedOut(username);
  }
}

/** `undefined` when there is no such account or the password is another: servers do not tell which. */
async function tryLogin(account: NewAccount, login: Parameters<typeof loginAfresh>[1]): Promise<MatrixSession | undefined> {
  try {
    return await loginAfresh(account.client, login, { signal: account.signal });
  } catch (error) {
    if (hasCode(error, 'matrix_forbidden')) return undefined;
    throw error;
  }
}

function lockedOut(username: string): BureauError {
  return new BureauError(
    'matrix_account_locked_out',
    `The account ${username} is there, or there is no token to make it with, and its password is not known here; restore the password, have a server administrator reset it, or choose another name`,
    { data: { username } },
  );
}
