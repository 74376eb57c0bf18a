// SPDX-License-Identifier: Apache-2.0
import { UsageError, parseServerName, parseUserId, type ServerName, type UserId } from '@bureau/core';
import { MatrixClient, type CredentialFile } from '@bureau/matrix';
import { serverName } from '@bureau/protocol';
import * as v from 'valibot';
import { operatorClient } from '../operator.ts';
import type { OperationContext } from '../registry/context.ts';

/** Input fields of every command that speaks Matrix as the operator. */
export const SESSION_ENTRIES = {
  credential_file: v.optional(v.string()),
  homeserver: v.optional(v.pipe(v.string(), v.url())),
  server_name: v.optional(serverName),
};

/** How they are given. */
export const SESSION_FIELDS = {
  credential_file: { help: 'default: BUREAU_CREDENTIAL_FILE, then the instance’s own', placeholder: 'FILE' },
  homeserver: { help: 'default: the credential file’s', placeholder: 'URL' },
  server_name: { help: 'what the homeserver must call itself', placeholder: 'NAME' },
};

/** Values of `SESSION_ENTRIES`. */
export interface SessionInput {
  readonly credential_file?: string | undefined;
  readonly homeserver?: string | undefined;
  readonly server_name?: ServerName | undefined;
}

/** The operator on the homeserver. */
export interface Session {
  readonly client: MatrixClient;
  readonly user: UserId;
  readonly deviceId: string | undefined;
  readonly serverName: ServerName;
  readonly homeserverUrl: string;
  readonly credentials: CredentialFile;
}

/**
 * A session with the credential file's token, tried out. Throws `file_missing`, `credential_missing`, `matrix_unknown_token`,
 * `matrix_unreachable`, `matrix_server_name_mismatch`.
 */
export async function openSession(input: SessionInput, context: OperationContext): Promise<Session> {
  const known = operatorClient(context, input.credential_file);
  const { credentials } = known;
  const homeserverUrl = input.homeserver ?? known.homeserverUrl;
  const client =
    input.homeserver === undefined
      ? known.client
      : new MatrixClient({ homeserverUrl, clock: context.clock }).withToken(credentials.get('MATRIX_ADMIN_TOKEN') ?? '');
  const { userId, deviceId } = await client.whoami({ signal: context.signal });
  const user = parseUserId(userId);
  const found = parseServerName(user.slice(user.indexOf(':') + 1));
  if (input.server_name !== undefined && input.server_name !== found)
    throw new UsageError(
      'matrix_server_name_mismatch',
      `Expected a homeserver named ${input.server_name}, and it calls itself ${found}; give the right --server-name or --homeserver`,
      { data: { expected: input.server_name, found } },
    );
  return { client, user, deviceId, serverName: found, homeserverUrl, credentials };
}
