// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { userIdOf, type MachineName, type PrincipalName } from '@bureau/core';
import { ensureDirectory, readBounded, writeFileAtomic } from '@bureau/files';
import { PrincipalNumbers } from '@bureau/instance';
import { createAccount, ensureMember, revokeAccess, type PasswordKeeper } from '@bureau/matrix';
import { EVENT_TYPES } from '@bureau/protocol';
import { openBytes, recipientOf, sealBytes } from '@bureau/seal';
import { SecretBytes } from '@bureau/secret';
import { readEscrowIdentity } from './credentials/keys.ts';
import { MATRIX_TOKEN, matrixUpstream, openIfOurs, publishBundle, rulesOf, type PublishedBundle } from './credentials/published.ts';
import type { Operator } from './operator.ts';
import type { OperationContext } from './registry/context.ts';
import { tokenWorks } from './token-works.ts';

/** A sealed password is 230 bytes. */
const KEY_FILE_MAX_BYTES = 4_096;

/**
 * Sees to it that a principal has an account, a token that works, a bundle sealed for this machine, and its place in the agents
 * room. Nothing is done when all is there. May be repeated after a crash anywhere.
 */
export async function ensurePrincipal(operator: Operator, principal: PrincipalName, context: OperationContext): Promise<void> {
  const { machine } = operator;
  using existing = await openIfOurs(operator, principal, context);
  const before = existing === undefined ? { upstreams: {} } : rulesOf(existing);
  const rules = { ...before, upstreams: { ...before.upstreams, ...matrixUpstream(operator) } };
  const known = existing?.secrets.get(MATRIX_TOKEN);
  if (existing !== undefined && known !== undefined) {
    using token = SecretBytes.from(Buffer.from(known));
    if (await tokenWorks(operator.client.withToken(token), context.signal)) {
      if (!existing.fresh) {
        await publishBundle(operator, principal, { rules, secrets: existing.secrets }, existing.header.issued_at, context);
      }
      return;
    }
  }
  // Before anything is made that a refusal would leave behind.
  new PrincipalNumbers(context.paths.numbersFile).requireApart(principal);
  context.progress(`making the account of ${principal}`);
  const registrationToken = operator.credentials.get('MATRIX_REGISTRATION_TOKEN');
  const account = await createAccount({
    client: operator.client,
    username: principal,
    ...(registrationToken === undefined ? {} : { registrationToken }),
    deviceId: deviceOf(machine.machine),
    deviceName: `Bureau on ${machine.machine}`,
    passwords: escrowedPasswords(principal, context),
    signal: context.signal,
  });
  using token = SecretBytes.from(account.accessToken);
  const member = operator.client.withToken(token);
  await ensureMember(
    machine.agentsRoom,
    userIdOf(principal, machine.serverName),
    { inviter: operator.client, member },
    { signal: context.signal },
  );
  const secrets = new Map<string, Uint8Array>([...(existing?.secrets ?? []), [MATRIX_TOKEN, token.bytes]]);
  await publishBundle(operator, principal, { rules, secrets }, existing?.header.issued_at ?? 0, context);
}

/** Ends the principal's access: its device first, so that the token is dead before anything else is said; then its bundle. Idempotent. */
export async function revokePrincipal(operator: Operator, principal: PrincipalName, context: OperationContext): Promise<void> {
  using existing = await openIfOurs(operator, principal, context);
  await endToken(operator, existing, context);
  await operator.client.setState(operator.machine.configRoom, EVENT_TYPES.credentials, principal, {}, { signal: context.signal });
}

/** Logs the device of an opened bundle's Matrix token out; nothing where there is none. Idempotent. */
export async function endToken(operator: Operator, bundle: PublishedBundle | undefined, context: OperationContext): Promise<void> {
  const known = bundle?.secrets.get(MATRIX_TOKEN);
  if (known === undefined) return;
  using token = SecretBytes.from(Buffer.from(known));
  await revokeAccess(operator.client.withToken(token), { signal: context.signal });
}

/** The device of a principal's token on a machine: one per machine, so that revoking it touches no other. */
export function deviceOf(machine: MachineName): string {
  return `BUREAU_${machine.replaceAll(/[^a-z0-9]/g, '_').toUpperCase()}`;
}

/** Keeps an account's random password sealed to the escrow key: of use only to whoever holds that, and only to log in anew. */
export function escrowedPasswords(name: PrincipalName | MachineName, context: OperationContext): PasswordKeeper {
  const directory = `${context.paths.stateDir}/accounts`;
  const path = `${directory}/${encodeURIComponent(name)}.age`;
  return {
    recallPassword: async () => {
      if (!existsSync(path)) return undefined;
      using escrow = readEscrowIdentity(context);
      return await openBytes(readBounded(path, KEY_FILE_MAX_BYTES), escrow);
    },
    rememberPassword: async (password) => {
      using escrow = readEscrowIdentity(context);
      ensureDirectory(directory, { mode: 0o700, uid: 0, gid: 0 });
      writeFileAtomic(path, await sealBytes(password, [await recipientOf(escrow)]), { mode: 0o600 });
    },
  };
}
