// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { BureauError } from '@bureau/core';
import { HOMESERVER_ADMINISTRATOR } from './config.ts';
import { homeserverLayout } from './layout.ts';
import { ask, type HomeserverAnswer } from './request.ts';
import { ensureSecretFile, readSecretFile } from './secret-file.ts';

export interface FirstAccountsOptions {
  readonly url: string;
  /** The homeserver's state directory, as `writeHomeserverFiles` left it. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

const ROOT = { uid: 0, gid: 0 } as const;

/**
 * Makes what a fresh homeserver needs before `matrix setup`: its administrator and one registration token without a limit of use,
 * which is left in `<directory>/registration-token` (root, 0600). Returns that path and whether it had to be made.
 *
 * Safe to repeat and to interrupt: password and token are on disk before the homeserver learns them, so each run carries on from
 * whatever the last one reached. Leaves no access token behind. When the token is still good this is one request without a login.
 */
export async function ensureFirstAccounts(options: FirstAccountsOptions): Promise<{ readonly tokenFile: string; readonly made: boolean }> {
  const layout = homeserverLayout(options.directory);
  const tokenFile = layout.registrationTokenFile;
  const known = readSecretFile(tokenFile);
  if (known !== undefined && (await tokenIsValid(options, known))) return { tokenFile, made: false };
  const sharedSecret = readSecretFile(layout.sharedSecretFile);
  if (sharedSecret === undefined) {
    throw new BureauError(
      'homeserver_secret_missing',
      `Expected the shared secret in ${layout.sharedSecretFile}; write the homeserver's files first`,
      { data: { path: layout.sharedSecretFile } },
    );
  }
  const password = ensureSecretFile(layout.administratorPasswordFile, ROOT);
  await registerAdministrator(options, sharedSecret, password);
  const access = await login(options, password, layout.administratorPasswordFile);
  try {
    await createRegistrationToken(options, access, ensureSecretFile(tokenFile, ROOT));
  } finally {
    // Without the caller's signal: the device is to go even when the work was called off.
    await ask(options.url, { method: 'POST', path: '/_matrix/client/v3/logout', body: {}, token: access });
  }
  return { tokenFile, made: true };
}

async function tokenIsValid(options: FirstAccountsOptions, token: string): Promise<boolean> {
  const answer = await ask(options.url, {
    method: 'GET',
    path: `/_matrix/client/v1/register/m.login.registration_token/validity?token=${encodeURIComponent(token)}`,
    signal: options.signal,
  });
  if (answer.status !== 200) throw unexpected('tell whether the registration token is valid', answer);
  return answer.body['valid'] === true;
}

/** Registers by shared secret (https://element-hq.github.io/synapse/latest/admin_api/register_api.html); an existing account is fine. */
async function registerAdministrator(options: FirstAccountsOptions, sharedSecret: string, password: string): Promise<void> {
  const path = '/_synapse/admin/v1/register';
  const first = await ask(options.url, { method: 'GET', path, signal: options.signal });
  const nonce = first.body['nonce'];
  if (first.status !== 200 || typeof nonce !== 'string') throw unexpected('hand out a nonce for registration by shared secret', first);
  const mac = createHmac('sha1', sharedSecret).update([nonce, HOMESERVER_ADMINISTRATOR, password, 'admin'].join('\0')).digest('hex');
  const answer = await ask(options.url, {
    method: 'POST',
    path,
    body: { nonce, username: HOMESERVER_ADMINISTRATOR, password, admin: true, inhibit_login: true, mac },
    signal: options.signal,
  });
  if (answer.status !== 200 && answer.body['errcode'] !== 'M_USER_IN_USE')
    throw unexpected('register its administrator by shared secret', answer);
}

async function login(options: FirstAccountsOptions, password: string, passwordFile: string): Promise<string> {
  const answer = await ask(options.url, {
    method: 'POST',
    path: '/_matrix/client/v3/login',
    body: {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: HOMESERVER_ADMINISTRATOR },
      password,
      device_id: 'BUREAU_FIRST_SETUP',
      initial_device_display_name: 'Bureau first set-up',
    },
    signal: options.signal,
  });
  const token = answer.body['access_token'];
  if (answer.status === 200 && typeof token === 'string') return token;
  if (answer.body['errcode'] === 'M_FORBIDDEN') {
    throw new BureauError(
      'homeserver_administrator_locked_out',
      `The homeserver knows the account ${HOMESERVER_ADMINISTRATOR} with another password than the one in ${passwordFile}; restore that file from a copy, or remove the homeserver's state to start anew`,
      { data: { passwordFile } },
    );
  }
  throw unexpected('log its administrator in', answer);
}

async function createRegistrationToken(options: FirstAccountsOptions, access: string, token: string): Promise<void> {
  const answer = await ask(options.url, {
    method: 'POST',
    path: '/_synapse/admin/v1/registration_tokens/new',
    body: { token },
    token: access,
    signal: options.signal,
  });
  if (answer.status === 200) return;
  // A token that was used up or has expired cannot be told from one that is good by this answer, so ask again.
  if (answer.status === 400 && (await tokenIsValid(options, token))) return;
  throw unexpected('make a registration token', answer);
}

function unexpected(what: string, answer: HomeserverAnswer): BureauError {
  const code = typeof answer.body['errcode'] === 'string' ? answer.body['errcode'] : '';
  return new BureauError('homeserver_refused', `Expected the homeserver to ${what}, and it answered ${answer.status} ${code}`.trimEnd(), {
    data: { status: answer.status, errcode: code },
  });
}
