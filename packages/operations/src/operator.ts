// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { readMachine, type MachineSettings } from '@bureau/instance';
import { MatrixClient, readCredentialFile, type CredentialFile } from '@bureau/matrix';
import { requireRoot } from './daemon-client.ts';
import type { OperationContext } from './registry/context.ts';

/** What an operator of this stand works with. */
export interface Operator {
  /** Speaks as the operator. */
  readonly client: MatrixClient;
  readonly homeserverUrl: string;
  readonly credentials: CredentialFile;
  readonly machine: MachineSettings;
}

/** The credential file: the flag, then `BUREAU_CREDENTIAL_FILE`, then the instance's own. */
export function credentialFilePath(context: OperationContext, flag?: string): string {
  return flag ?? context.credentialFileVariable ?? context.paths.credentialFile;
}

/** A Matrix client as the credential file's operator. Throws `file_missing`, `credential_missing`. */
export function operatorClient(
  context: OperationContext,
  flag?: string,
): { client: MatrixClient; credentials: CredentialFile; homeserverUrl: string } {
  const path = credentialFilePath(context, flag);
  const credentials = readCredentialFile(path);
  const homeserverUrl = requireKey(credentials, 'MATRIX_HOMESERVER_URL', path);
  const token = requireKey(credentials, 'MATRIX_ADMIN_TOKEN', path);
  return { client: new MatrixClient({ homeserverUrl, token, clock: context.clock }), credentials, homeserverUrl };
}

/** The operator of this machine: client and pinned rooms. Throws `file_missing` before the machine is provisioned. */
export function openOperator(context: OperationContext, flag?: string): Operator {
  requireRoot(context);
  return { ...operatorClient(context, flag), machine: readMachine(context.paths) };
}

function requireKey(credentials: CredentialFile, key: string, path: string): string {
  const value = credentials.get(key);
  if (value === undefined || value === '') {
    throw new BureauError('credential_missing', `Expected ${key} in ${path}; run "bureau matrix setup" to write it`, {
      data: { key, path },
    });
  }
  return value;
}
