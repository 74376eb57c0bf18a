// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, parseRoomId, parseUserId, userIdOf, type MachineName, type RoomId, type UserId } from '@bureau/core';
import { readBounded } from '@bureau/files';
import {
  daemonSessionFile,
  readDaemonSession,
  readMachine,
  writeDaemonSession,
  uidsOf,
  writeMachine,
  type InstanceSettings,
  type MachineSettings,
} from '@bureau/instance';
import { chooseRoomVersion, createAccount, ensureMachineRoom, ensureMember, type MatrixClient, type RoomContext } from '@bureau/matrix';
import { MACHINE_KEY, MACHINE_PROVISION, readEvent, requireWritable, type MachineProvisionContent } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import { operatorClient } from '../operator.ts';
import { deviceOf, escrowedPasswords } from '../principals.ts';
import type { OperationContext } from '../registry/context.ts';
import { tokenWorks } from '../token-works.ts';
import type { StepResult } from './steps.ts';

/**
 * Makes this host a machine of the homeserver: its account, its config room (pinned with its creator in a root-owned file), its place
 * in the rooms that it reads, its published key. Repeats what is missing. `renewed`: a daemon that runs holds what is no longer true.
 */
export async function provisionMachine(
  settings: InstanceSettings,
  context: OperationContext,
): Promise<StepResult & { readonly renewed: boolean }> {
  const { paths } = context;
  const { client, credentials } = operatorClient(context, paths.credentialFile);
  const recipient = readBounded(`${paths.launcherStateDirectory}/recipient`, 200).toString('utf8').trim();
  const owner = parseUserId((await client.whoami({ signal: context.signal })).userId);
  const token = await ensureSession(settings, client, credentials.get('MATRIX_REGISTRATION_TOKEN'), context);
  using machineToken = token.secret;
  const machineClient = client.withToken(machineToken);

  const room: RoomContext = {
    client,
    owner,
    serverName: settings.serverName,
    roomVersion: await chooseRoomVersion(client, { signal: context.signal }),
    signal: context.signal,
  };
  const { roomId, creator } = await ensureMachineRoom(room, settings.machine, machineClient);
  const template = parseRoomId(requireKey(credentials.get('MATRIX_TEMPLATE_ROOM'), 'MATRIX_TEMPLATE_ROOM'));
  const agents = parseRoomId(requireKey(credentials.get('MATRIX_AGENTS_ROOM'), 'MATRIX_AGENTS_ROOM'));
  const user = userIdOf(settings.machine, settings.serverName);
  const pinned = existsSync(paths.machineFile) ? readMachine(paths) : undefined;
  // Before it joins: a daemon that runs turns down every other room.
  refuseOtherRoom(pinned, { configRoom: roomId, templateRoom: template });
  await ensureMember(template, user, { inviter: client, member: machineClient }, { signal: context.signal });
  const machine: MachineSettings = {
    v: 1,
    machine: settings.machine,
    userId: user,
    configRoom: roomId,
    configRoomCreator: creator,
    templateRoom: template,
    agentsRoom: agents,
    homeserverUrl: settings.homeserverUrl,
    serverName: settings.serverName,
    recipient,
  };
  requireWritable(MACHINE_KEY, await machineClient.state(roomId, MACHINE_KEY.type, user, { signal: context.signal }));
  const key = { v: 1, algorithm: 'age-x25519', recipient };
  await machineClient.setState(roomId, MACHINE_KEY.type, user, key, { signal: context.signal });
  const former = await pinOwnKey(client, { roomId, user, owner, recipient, machine: settings.machine }, context);
  const same = pinned !== undefined && JSON.stringify(pinned) === JSON.stringify(machine);
  if (!same) writeMachine(paths, machine, uidsOf(settings.uidBase).daemon);
  return {
    outcome: same && !token.made ? 'there' : 'done',
    message: `${user}, config room ${roomId}${former === undefined ? '' : `; its key is new (${recipient}, until now ${former}): seal its agents' credentials again ("lost machine key" in docs/operations.md)`}`,
    renewed: token.made || (pinned !== undefined && !same),
  };
}

/**
 * The operator of this very host knows its machine's key, and pins it for the others: also a new one, made because the former was lost.
 * Resolves with the key that was pinned until now, when it was another.
 */
async function pinOwnKey(
  client: MatrixClient,
  own: {
    readonly roomId: RoomId;
    readonly user: UserId;
    readonly owner: UserId;
    readonly recipient: string;
    readonly machine: MachineName;
  },
  { clock, signal }: OperationContext,
): Promise<string | undefined> {
  const { roomId, user, owner, recipient, machine } = own;
  const stored = await client.state(roomId, MACHINE_PROVISION.type, '', { signal });
  requireWritable(MACHINE_PROVISION, stored);
  const before = readEvent(MACHINE_PROVISION, stored);
  const pinned = before.ok ? before.content.recipient : undefined;
  if (pinned === recipient && before.ok && before.content.decommissionedAt === undefined) return undefined;
  const content: MachineProvisionContent = { v: 1, machine, user, at: clock.now(), by: owner, recipient };
  await client.setState(roomId, MACHINE_PROVISION.type, '', content, { signal });
  return pinned === recipient ? undefined : pinned;
}

async function ensureSession(
  settings: InstanceSettings,
  client: MatrixClient,
  registrationToken: string | undefined,
  context: OperationContext,
): Promise<{ secret: SecretBytes; made: boolean }> {
  const { paths, signal } = context;
  if (existsSync(daemonSessionFile(paths))) {
    const secret = SecretBytes.from(Buffer.from(readDaemonSession(paths), 'latin1'));
    if (await tokenWorks(client.withToken(secret), signal)) return { secret, made: false };
    secret[Symbol.dispose]();
  }
  const account = await createAccount({
    client,
    username: settings.machine,
    ...(registrationToken === undefined ? {} : { registrationToken }),
    deviceId: deviceOf(settings.machine),
    deviceName: 'Bureau daemon',
    passwords: escrowedPasswords(settings.machine, context),
    signal: context.signal,
  });
  const secret = SecretBytes.from(account.accessToken);
  writeDaemonSession(paths, secret.bytes.toString('latin1'), uidsOf(settings.uidBase).daemon);
  return { secret, made: true };
}

/** A pinned room is for life: another room behind the same alias is what an attacker would want us to follow. */
function refuseOtherRoom(pinned: MachineSettings | undefined, found: Pick<MachineSettings, 'configRoom' | 'templateRoom'>): void {
  for (const [room, code] of [
    ['configRoom', 'config_room_changed'],
    ['templateRoom', 'template_room_changed'],
  ] as const) {
    if (pinned === undefined || pinned[room] === found[room]) continue;
    throw new BureauError(
      code,
      `This machine is pinned to ${pinned[room]}, and its alias now names ${found[room]}; find out why. To follow the new room, remove machine.json and run script/up again`,
      { data: { pinned: pinned[room], found: found[room] } },
    );
  }
}

function requireKey(value: string | undefined, key: string): string {
  if (value !== undefined) return value;
  throw new BureauError('credential_missing', `Expected ${key} in the credential file; run "bureau matrix setup" to write it`);
}
