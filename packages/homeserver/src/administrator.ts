// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { BureauError, type UserId } from '@bureau/core';
import { HOMESERVER_ADMINISTRATOR } from './config.ts';
import { ask, type HomeserverAnswer, type HomeserverRequest } from './request.ts';

export interface HomeserverAdministratorOptions {
  readonly url: string;
  /** A server administrator's token, or the password of the one that first set-up made. */
  readonly access: { readonly token: string } | { readonly password: string };
  readonly signal?: AbortSignal;
}

/**
 * The homeserver's administration, for what no room and no account may do: end other accounts' sessions, and set their passwords.
 * Synapse's API (https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html); a server without it answers
 * `homeserver_refused`. A session that it opened itself ends with it.
 */
export class HomeserverAdministration implements AsyncDisposable {
  readonly #options: HomeserverAdministratorOptions;
  readonly #token: string;

  private constructor(options: HomeserverAdministratorOptions, token: string) {
    this.#options = options;
    this.#token = token;
  }

  /** Logs in where it was given a password. Throws `homeserver_refused`, `homeserver_unreachable`. */
  static async open(options: HomeserverAdministratorOptions): Promise<HomeserverAdministration> {
    const { access, url, signal } = options;
    if ('token' in access) return new HomeserverAdministration(options, access.token);
    const answer = await ask(url, {
      method: 'POST',
      path: '/_matrix/client/v3/login',
      body: {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: HOMESERVER_ADMINISTRATOR },
        password: access.password,
        device_id: `BUREAU_ADMINISTRATION_${randomBytes(4).toString('hex').toUpperCase()}`,
        initial_device_display_name: 'Bureau administration',
      },
      signal,
    });
    const token = answer.body['access_token'];
    if (answer.status !== 200 || typeof token !== 'string') throw refused('log its administrator in', answer);
    return new HomeserverAdministration(options, token);
  }

  /** Whether there is such an account. */
  async knows(user: UserId): Promise<boolean> {
    const answer = await this.#ask({ method: 'GET', path: `/_synapse/admin/v2/users/${encodeURIComponent(user)}` });
    if (answer.status === 404) return false;
    if (answer.status !== 200) throw refused(`tell of ${user}`, answer);
    return true;
  }

  /** The sessions (devices, each with its tokens) of an account. */
  async sessions(user: UserId): Promise<readonly string[]> {
    const answer = await this.#ask({ method: 'GET', path: `/_synapse/admin/v2/users/${encodeURIComponent(user)}/devices` });
    const devices = answer.body['devices'];
    if (answer.status !== 200 || !Array.isArray(devices)) throw refused(`list the devices of ${user}`, answer);
    return devices.flatMap((device: { device_id?: unknown }) => (typeof device.device_id === 'string' ? [device.device_id] : []));
  }

  /** Ends sessions of an account with their tokens (all, or the one of this device), and answers how many there were. Throws when one is left. */
  async endSessions(user: UserId, device?: string): Promise<number> {
    const meant = async (): Promise<readonly string[]> =>
      (await this.sessions(user)).filter((each) => device === undefined || each === device);
    const devices = await meant();
    if (devices.length > 0) {
      const path = `/_synapse/admin/v2/users/${encodeURIComponent(user)}/delete_devices`;
      const answer = await this.#ask({ method: 'POST', path, body: { devices } });
      if (answer.status !== 200) throw refused(`end the sessions of ${user}`, answer);
    }
    const left = await meant();
    if (left.length > 0)
      throw new BureauError(
        'sessions_left',
        `Expected no session of ${user} any more, and there are ${left.length}; somebody logs in again: set its password anew`,
        { data: { user } },
      );
    return devices.length;
  }

  /** Sets an account's password; every session and token of it ends. */
  async setPassword(user: UserId, password: string): Promise<void> {
    const answer = await this.#ask({
      method: 'POST',
      path: `/_synapse/admin/v1/reset_password/${encodeURIComponent(user)}`,
      body: { new_password: password, logout_devices: true },
    });
    if (answer.status !== 200) throw refused(`set the password of ${user}`, answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if ('token' in this.#options.access) return;
    // Without the caller's signal: the session is to end even when the work was called off.
    await ask(this.#options.url, { method: 'POST', path: '/_matrix/client/v3/logout', body: {}, token: this.#token });
  }

  async #ask(request: HomeserverRequest): Promise<HomeserverAnswer> {
    return await ask(this.#options.url, { ...request, token: this.#token, signal: this.#options.signal });
  }
}

function refused(what: string, { status, body }: HomeserverAnswer): BureauError {
  const code = typeof body['errcode'] === 'string' ? body['errcode'] : '';
  return new BureauError(
    'homeserver_refused',
    `Expected the homeserver to ${what}, and it answered ${status} ${code}`.trimEnd() +
      '; it needs a server administrator, and Synapse’s administration API',
    { data: { status, errcode: code } },
  );
}
