// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { BureauError, UsageError, hasCode, parseLocalpart, parseRoomId, userIdOf, type UserId } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { chooseRoomVersion, ensureMachineRoom, ensureMember, openMachineRoom } from '@bureau/matrix';
import { MACHINE_CONFIG, MACHINE_PROVISION, MACHINE_REVOCATION, requireWritable, type MachineProvisionContent } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS, type Session } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { writeInvitation } from './invitation.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { machineFacts } from './machine-facts.ts';
import { ADMINISTRATOR_FIELD, openAdministration } from './server-administrator.ts';

/** Random bytes of the password that is good once. */
const PASSWORD_BYTES = 32;
const KEY_MAX_BYTES = 1_000;

/** `bureau machine provision`. May be repeated after a crash anywhere: with --again, and each time the former password is dead. */
export const machineProvision: AnyOperation = defineOperation({
  name: 'machine provision',
  summary: 'Prepare a new machine: its account, its config room, and a file to carry there',
  description:
    'The file holds a password that is good for one first boot ("script/up --join FILE" there), which replaces it at once by one that nobody knows. Carry it as you would a key, and see with "bureau machine confirm" that the key which the machine then publishes is its own. A machine that is known already is provisioned anew with --again only, which ends every session of it.',
  grant: 'machine/provision',
  input: v.strictObject({
    machine: machineArgument,
    out: v.string(),
    again: v.optional(v.boolean(), false),
    homeserver_url: v.optional(v.pipe(v.string(), v.url())),
    server_admin_token_file: v.optional(v.string()),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({ machine: v.string(), user_id: v.string(), room_id: v.string(), provision: v.string(), file: v.string() }),
  fields: {
    machine: { help: MACHINE_HELP },
    out: { help: 'where to write the file that is carried to the machine (new, 0600)', placeholder: 'FILE' },
    again: { help: 'also when the machine is known: ends its sessions, takes its revocation back' },
    homeserver_url: { help: 'the homeserver’s address as the machine reaches it; default: the one used here', placeholder: 'URL' },
    ...ADMINISTRATOR_FIELD,
    ...SESSION_FIELDS,
  },
  positionals: ['machine'],
  examples: [
    { command: 'bureau machine provision laptop --out laptop.json', shows: 'an account, a config room, and what to do on the machine' },
  ],
  async handler({ machine, out, again, homeserver_url: reachedAt, server_admin_token_file: tokenFile, ...input }, context) {
    const { signal } = context;
    const operators = operatorKeys(context);
    // Before the account's former password is gone.
    if (existsSync(out)) throw new UsageError('file_exists', `${out} is there already; name a file that is not`, { data: { path: out } });
    const session = await openSession(input, context);
    const { client, serverName, credentials } = session;
    const user = userIdOf(machine, serverName);
    const known = await openMachineRoom(client, serverName, machine, { signal });
    if (known !== undefined && !again) refuseKnown(machine, machineFacts(known));
    for (const definition of [MACHINE_PROVISION, MACHINE_REVOCATION, MACHINE_CONFIG])
      requireWritable(definition, known?.state.find(({ type, state_key: key }) => type === definition.type && key === '')?.content);

    const password = randomBytes(PASSWORD_BYTES).toString('hex');
    await giveAccount(session, { user, password, tokenFile, again }, context);
    const owner = userIdOf(parseLocalpart('bureau-admin'), serverName);
    const roomVersion = await chooseRoomVersion(client, { signal });
    const { roomId, creator } = await ensureMachineRoom({ client, owner, serverName, roomVersion, signal }, machine);
    const template = parseRoomId(requireKey(credentials.get('MATRIX_TEMPLATE_ROOM'), 'MATRIX_TEMPLATE_ROOM'));
    const agents = parseRoomId(requireKey(credentials.get('MATRIX_AGENTS_ROOM'), 'MATRIX_AGENTS_ROOM'));
    await ensureMember(template, user, { inviter: client }, { signal });

    const at = context.clock.now();
    const content: MachineProvisionContent = {
      v: 1,
      machine,
      user,
      at,
      by: session.user,
      ...(reachedAt === undefined ? {} : { homeserverUrl: reachedAt }),
    };
    const provision = await client.setState(roomId, MACHINE_PROVISION.type, '', content, { signal });
    const before = known === undefined ? undefined : machineFacts(known);
    if (before?.revocation !== undefined) await client.setState(roomId, MACHINE_REVOCATION.type, '', {}, { signal });
    if (before?.provision?.decommissionedAt !== undefined)
      await client.setState(roomId, MACHINE_CONFIG.type, '', { ...before.config, cordoned: false, draining: false }, { signal });
    writeInvitation(out, {
      v: 1,
      homeserver_url: reachedAt ?? session.homeserverUrl,
      server_name: serverName,
      machine,
      user_id: user,
      config_room: roomId,
      config_room_creator: creator,
      template_room: template,
      agents_room: agents,
      provision,
      provisioned_at: at,
      operators,
      one_time_password: password,
    });
    return { machine, user_id: user, room_id: roomId, provision, file: out };
  },
  render: ({ machine, user_id: user, room_id: room, file }) =>
    [
      `${machine} is expected: ${user}, config room ${room}`,
      `carry ${file} to it (it holds a password that is good once), and run there:`,
      `  script/up --join ${file}`,
      `then see here that the key is its own: bureau machine confirm ${machine}`,
    ].join('\n'),
});

function refuseKnown(machine: string, { recipient, provision }: ReturnType<typeof machineFacts>): void {
  if (recipient === undefined && provision === undefined) return;
  throw new UsageError(
    'machine_known',
    `${machine} is known already (${recipient === undefined ? 'it was provisioned and has not come yet' : 'it has published its key'}); --again provisions it anew and ends every session of it`,
    { data: { machine } },
  );
}

/** The account with this password and no session; one that is there gets it by the homeserver's administration, which ends its sessions. */
async function giveAccount(
  { client, credentials, homeserverUrl }: Session,
  account: { readonly user: UserId; readonly password: string; readonly tokenFile: string | undefined; readonly again: boolean },
  context: OperationContext,
): Promise<void> {
  const { signal } = context;
  const username = account.user.slice(1, account.user.indexOf(':'));
  const registrationToken = requireKey(credentials.get('MATRIX_REGISTRATION_TOKEN'), 'MATRIX_REGISTRATION_TOKEN');
  try {
    const made = await client.register(
      { username, password: account.password, registrationToken, deviceId: 'BUREAU_PROVISION' },
      { signal },
    );
    await client.withToken(made.accessToken).logout({ signal });
  } catch (error) {
    if (!hasCode(error, 'matrix_user_in_use')) throw error;
    await using administration = await openAdministration(homeserverUrl, account.tokenFile, context);
    await administration.setPassword(account.user, account.password);
  }
}

/** The public keys that this stand's launcher believes: the new machine is to believe the same. */
function operatorKeys({ paths }: OperationContext): Record<string, string> {
  const names = readdirSync(paths.operatorsDirectory).filter((name) => name.endsWith('.pub'));
  if (names.length === 0)
    throw new BureauError('operator_key_missing', `Expected an operator's public key in ${paths.operatorsDirectory}; script/up makes one`);
  return Object.fromEntries(
    names.map((name) => [
      name.slice(0, -'.pub'.length),
      readBounded(`${paths.operatorsDirectory}/${name}`, KEY_MAX_BYTES).toString('utf8'),
    ]),
  );
}

function requireKey(value: string | undefined, key: string): string {
  if (value !== undefined) return value;
  throw new BureauError('credential_missing', `Expected ${key} in the credential file; run "bureau matrix setup" to write it`);
}
