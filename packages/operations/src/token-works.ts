// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { MatrixClient } from '@bureau/matrix';

/** Whether the homeserver still takes this client's token; throws when it says anything else, or nothing. */
export async function tokenWorks(client: MatrixClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.whoami({ signal });
    return true;
  } catch (error) {
    if (error instanceof BureauError && error.data['errcode'] === 'M_UNKNOWN_TOKEN') return false;
    throw error;
  }
}
