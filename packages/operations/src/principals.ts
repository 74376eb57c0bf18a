// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { BureauError, userIdOf, type MachineName, type PrincipalName } from '@bureau/core';
import { ensureDirectory, readBounded, writeFileAtomic } from '@bureau/files';
import { PrincipalNumbers } from '@bureau/instance';
import { createAccount, ensureMember, revokeAccess, type PasswordKeeper } from '@bureau/matrix';
import { BUNDLE_LIFE_MAX, EVENT_TYPES, credentialsContent, type BundleHeader } from '@bureau/protocol';
import { decodeSecrets, openBundle, openBytes, operatorSigner, recipientOf, sealBundle, sealBytes } from '@bureau/seal';
import { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import type { Operator } from './operator.ts';
import type { OperationContext } from './registry/context.ts';
import { tokenWorks } from './token-works.ts';

/** Name of the one secret that every principal has. */
const MATRIX_TOKEN = 'MATRIX_TOKEN';
/** A bundle that ends within this is sealed anew when the operator touches its principal. */
const RENEW_BEFORE = 30 * 86_400_000;
const KEY_FILE_MAX_BYTES = 4_096;

/**
 * Sees to it that a principal has an account, a token that works, a bundle sealed for this machine, and its place in the agents
 * room. Nothing is done when all is there. May be repeated after a crash anywhere.
 */
export async function ensurePrincipal(operator: Operator, principal: PrincipalName, context: OperationContext): Promise<void> {
  const { machine } = operator;
  const existing = await openExisting(operator, principal, context);
  if (existing !== undefined) {
    using token = existing.token;
    if (await tokenWorks(operator.client.withToken(token), context.signal)) {
      if (existing.fresh) return;
      return await publish(operator, principal, token, existing.issuedAt, context);
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
  await publish(operator, principal, token, existing?.issuedAt ?? 0, context);
}

/** Ends the principal's access: its device first, so that the token is dead before anything else is said; then its bundle. Idempotent. */
export async function revokePrincipal(operator: Operator, principal: PrincipalName, context: OperationContext): Promise<void> {
  const existing = await openExisting(operator, principal, context);
  if (existing !== undefined) {
    using token = existing.token;
    await revokeAccess(operator.client.withToken(token), { signal: context.signal });
  }
  await operator.client.setState(operator.machine.configRoom, EVENT_TYPES.credentials, principal, {}, { signal: context.signal });
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

interface Existing {
  readonly token: SecretBytes;
  readonly issuedAt: number;
  /** Sealed for this machine's key and homeserver, and far from its end. */
  readonly fresh: boolean;
}

/** The principal's bundle in the config room, opened with the escrow key; `undefined` when there is none that we can open. */
async function openExisting(operator: Operator, principal: PrincipalName, context: OperationContext): Promise<Existing | undefined> {
  const { machine } = operator;
  const content = await operator.client.state(machine.configRoom, EVENT_TYPES.credentials, principal, { signal: context.signal });
  const parsed = v.safeParse(credentialsContent, content ?? {});
  if (!parsed.success) return undefined;
  using escrow = readEscrowIdentity(context);
  using signing = readOperatorKey(context);
  try {
    const opened = await openBundle(Buffer.from(parsed.output.bundle, 'base64'), {
      identity: escrow,
      operators: [createPublicKey({ key: signing.bytes, format: 'pem' })],
      principal,
      machine: machine.machine,
      now: context.clock.now(),
    });
    using secrets = opened.secrets;
    const token = decodeSecrets(secrets.bytes).get(MATRIX_TOKEN);
    if (token === undefined) return undefined;
    const fresh =
      parsed.output.recipients.includes(machine.recipient) &&
      opened.header.upstreams['matrix']?.url === machine.homeserverUrl &&
      opened.header.expires_at - context.clock.now() > RENEW_BEFORE;
    return { token: SecretBytes.from(Buffer.from(token)), issuedAt: opened.header.issued_at, fresh };
  } catch (error) {
    // Sealed by another operator, expired, or for another machine: a new one is sealed.
    if (error instanceof BureauError && error.code.startsWith('bundle_')) return undefined;
    throw error;
  }
}

async function publish(
  operator: Operator,
  principal: PrincipalName,
  token: SecretBytes,
  lastIssuedAt: number,
  context: OperationContext,
): Promise<void> {
  const { machine } = operator;
  const issuedAt = Math.max(context.clock.now(), lastIssuedAt + 1);
  const header: BundleHeader = {
    v: 1,
    principal,
    machine: machine.machine,
    user_id: userIdOf(principal, machine.serverName),
    issued_at: issuedAt,
    expires_at: issuedAt + BUNDLE_LIFE_MAX - 86_400_000,
    upstreams: { matrix: { url: machine.homeserverUrl, inject: [{ secret: MATRIX_TOKEN, header: 'Authorization', prefix: 'Bearer ' }] } },
  };
  using escrow = readEscrowIdentity(context);
  using signing = readOperatorKey(context);
  const recipients = [machine.recipient, await recipientOf(escrow)];
  const sealed = await sealBundle(
    { header, secrets: new Map([[MATRIX_TOKEN, token.bytes]]) },
    { signer: operatorSigner(signing), recipients },
  );
  const content = { v: 1, principal, bundle: Buffer.from(sealed).toString('base64'), recipients };
  await operator.client.setState(machine.configRoom, EVENT_TYPES.credentials, principal, content, { signal: context.signal });
}

function readEscrowIdentity({ paths }: OperationContext): SecretBytes {
  return SecretBytes.from(readBounded(paths.escrowKeyFile, KEY_FILE_MAX_BYTES));
}

function readOperatorKey({ paths }: OperationContext): SecretBytes {
  return SecretBytes.from(readBounded(paths.operatorKeyFile, KEY_FILE_MAX_BYTES));
}
