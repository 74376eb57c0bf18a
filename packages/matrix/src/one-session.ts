// SPDX-License-Identifier: Apache-2.0
import type { MatrixClient } from './client.ts';
import type { CallOptions } from './http.ts';
import type { Login, MatrixSession } from './session.ts';

/**
 * Logs in so that the device has this one token. A second login with the same device id leaves the device's older tokens valid, so a
 * first login takes the device away, with all of its tokens, and a second one makes it anew: nothing piles up, nothing lost stays good.
 */
export async function loginAfresh(client: MatrixClient, login: Login, options: CallOptions = {}): Promise<MatrixSession> {
  const former = await client.login(login, options);
  await client.withToken(former.accessToken).logout(options);
  return client.login(login, options);
}
