// SPDX-License-Identifier: Apache-2.0
import {
  BureauError,
  UsageError,
  hasCode,
  parseServerName,
  parseUserId,
  userIdOf,
  type PrincipalName,
  type ServerName,
  type UserId,
} from '@bureau/core';
import { readBounded } from '@bureau/files';
import { BUREAU_SPACE, STANDARD_ROOMS, aliasOfRoom, createAccount, ensureMember, type MatrixClient } from '@bureau/matrix';
import { localpart } from '@bureau/protocol';
import * as v from 'valibot';
import { operatorClient } from '../operator.ts';
import { escrowedPasswords } from '../principals.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import type { OperationContext } from '../registry/context.ts';
import { readPassword } from './password.ts';

/** The device that a registration makes; logged out at once. */
const SETUP_DEVICE = 'BUREAU_SETUP';

/** `bureau matrix user create`: an account for a person or an agent. Idempotent. */
export const matrixUserCreate: AnyOperation = defineOperation({
  name: 'matrix user create',
  summary: 'Make a Matrix account',
  description:
    'With a password it is for a person; without one the password is random and kept sealed to the escrow key. Running it again finds the account and, with --operator, its missing invitations.',
  grant: 'matrix/user/create',
  input: v.strictObject({
    name: localpart,
    password_file: v.optional(v.string()),
    operator: v.optional(v.boolean(), false),
    credential_file: v.optional(v.string()),
    registration_token_file: v.optional(v.string()),
  }),
  output: v.strictObject({ user_id: v.string(), already_exists: v.boolean(), invited_to: v.array(v.string()) }),
  fields: {
    name: { help: 'the localpart, such as ben or iree/builder' },
    password_file: { help: 'file with the password; "-" asks for it (or reads one line from stdin)', placeholder: 'FILE' },
    operator: { help: 'invite to Bureau’s space and to all its rooms' },
    credential_file: { help: 'default: BUREAU_CREDENTIAL_FILE, then the instance’s own', placeholder: 'FILE' },
    registration_token_file: { help: 'default: the credential file’s token', placeholder: 'FILE' },
  },
  positionals: ['name'],
  examples: [
    { command: 'bureau matrix user create ben --password-file - --operator', shows: 'a person who may see everything' },
    { command: 'bureau matrix user create iree-builder', shows: 'an account without a password that anyone knows' },
  ],
  async handler(input, context) {
    const { client, credentials } = operatorClient(context, input.credential_file);
    const administrator = parseUserId((await client.whoami({ signal: context.signal })).userId);
    const server = parseServerName(administrator.slice(administrator.indexOf(':') + 1));
    const user = userIdOf(input.name, server);
    const registrationToken =
      input.registration_token_file === undefined
        ? credentials.get('MATRIX_REGISTRATION_TOKEN')
        : readBounded(input.registration_token_file, 4_096).toString('utf8').trim();
    const given = input.password_file === undefined ? undefined : await readPassword(input.password_file, context);
    const made =
      given === undefined
        ? await registerRandom(client, input.name, registrationToken, context)
        : await registerWith(client, input.name, given, registrationToken, context);
    given?.fill(0);
    const invited = input.operator ? await inviteEverywhere(client, user, server, context) : [];
    return { user_id: user, already_exists: !made, invited_to: invited };
  },
  render: ({ user_id, already_exists, invited_to }) =>
    [`User ID: ${user_id}${already_exists ? ' (already exists)' : ''}`, ...invited_to.map((alias) => `invited to ${alias}`)].join('\n'),
});

/** Registers with a random password that is sealed to the escrow key. False when the account was there. */
async function registerRandom(
  client: MatrixClient,
  username: PrincipalName,
  registrationToken: string | undefined,
  context: OperationContext,
): Promise<boolean> {
  const passwords = escrowedPasswords(username, context);
  try {
    const account = await createAccount({
      client,
      username,
      ...(registrationToken === undefined ? {} : { registrationToken }),
      deviceId: SETUP_DEVICE,
      passwords,
      signal: context.signal,
    });
    const token = Buffer.from(account.accessToken).toString('latin1');
    account.accessToken.fill(0);
    // Nobody keeps this token; whoever needs one logs in by the sealed password.
    await client.withToken(token).logout({ signal: context.signal });
    return account.made;
  } catch (error) {
    if (hasCode(error, 'matrix_account_locked_out') && registrationToken !== undefined) return false;
    throw error;
  }
}

/** Registers with a person's password. False when the account was there; its password is not touched. */
async function registerWith(
  client: MatrixClient,
  username: PrincipalName,
  password: Buffer,
  registrationToken: string | undefined,
  context: OperationContext,
): Promise<boolean> {
  if (registrationToken === undefined)
    throw new UsageError(
      'registration_token_missing',
      'Expected a registration token: give --registration-token-file, or run "bureau matrix setup" with it once',
    );
  try {
    const session = await client.register(
      { username, password: password.toString('utf8'), registrationToken, deviceId: SETUP_DEVICE },
      { signal: context.signal },
    );
    await client.withToken(session.accessToken).logout({ signal: context.signal });
    return true;
  } catch (error) {
    if (hasCode(error, 'matrix_user_in_use')) return false;
    throw error;
  }
}

/** Invites to the space and to every standard room; answers with the aliases of those the user was not in yet. */
async function inviteEverywhere(client: MatrixClient, user: UserId, server: ServerName, context: OperationContext): Promise<string[]> {
  const invited: string[] = [];
  for (const kind of [BUREAU_SPACE, ...STANDARD_ROOMS]) {
    const alias = aliasOfRoom(kind, server);
    const room = await client.resolveAlias(alias, { signal: context.signal });
    if (room === undefined)
      throw new BureauError('room_missing', `Expected the room ${alias}; run "bureau matrix setup" first`, { data: { alias } });
    const before = (await client.state(room, 'm.room.member', user, { signal: context.signal }))?.['membership'];
    if (before === 'join' || before === 'invite') continue;
    await ensureMember(room, user, { inviter: client }, { signal: context.signal });
    invited.push(alias);
  }
  return invited;
}
