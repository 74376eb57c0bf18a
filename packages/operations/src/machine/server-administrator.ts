// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { HomeserverAdministration, homeserverLayout } from '@bureau/homeserver';
import type { OperationContext } from '../registry/context.ts';

/** A password or a token of a server administrator. */
const SECRET_MAX_BYTES = 4_096;

/** Input field of the commands that need the homeserver's administration. */
export const ADMINISTRATOR_FIELD = {
  server_admin_token_file: {
    help: 'a file (0600) with a server administrator’s token; default: the administrator of this stand’s own homeserver',
    placeholder: 'FILE',
  },
};

/**
 * The homeserver's administration, with the token of a file, else as the administrator that the embedded homeserver's first set-up made.
 * Throws `server_administrator_missing` where neither is to be had. The caller disposes it.
 */
export async function openAdministration(
  homeserverUrl: string,
  tokenFile: string | undefined,
  context: OperationContext,
): Promise<HomeserverAdministration> {
  const { signal } = context;
  if (tokenFile !== undefined)
    return await HomeserverAdministration.open({ url: homeserverUrl, access: { token: secretOf(tokenFile) }, signal });
  const { administratorPasswordFile } = homeserverLayout(context.paths.homeserverStateDirectory);
  if (!existsSync(administratorPasswordFile))
    throw new BureauError(
      'server_administrator_missing',
      'Expected a server administrator: run this on the host of the homeserver, or give --server-admin-token-file',
    );
  return await HomeserverAdministration.open({ url: homeserverUrl, access: { password: secretOf(administratorPasswordFile) }, signal });
}

function secretOf(path: string): string {
  return readBounded(path, SECRET_MAX_BYTES).toString('utf8').trim();
}
