// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { BureauError, UsageError, hasCode } from '@bureau/core';
import { readBounded, writeFileAtomic } from '@bureau/files';
import {
  daemonSessionFile,
  readDaemonSession,
  readSettings,
  uidsOf,
  writeDaemonSession,
  writeMachine,
  type InstanceSettings,
  type MachineSettings,
} from '@bureau/instance';
import { MatrixClient, loginAfresh, roomOrigin } from '@bureau/matrix';
import { MACHINE_KEY, requireWritable } from '@bureau/protocol';
import { deviceOf } from '../principals.ts';
import type { OperationContext } from '../registry/context.ts';
import { tokenWorks } from '../token-works.ts';
import type { MachineInvitation } from './invitation.ts';

/** Random bytes of the password that replaces the one of the invitation, and that nobody keeps. */
const PASSWORD_BYTES = 32;

/**
 * The first boot of a machine that was provisioned elsewhere: logs in with the password that is good once, makes it worthless at once,
 * pins its rooms and operators, publishes the key that the launcher has made. May be repeated after a crash anywhere, with the same
 * invitation. Throws `invitation_used` when somebody else was there first.
 */
export async function joinMachine(invitation: MachineInvitation, context: OperationContext): Promise<MachineSettings> {
  const { paths, signal } = context;
  const settings = readSettings(paths);
  refuseOther(settings, invitation);
  const daemon = uidsOf(settings.uidBase).daemon;
  const client = await ownSession(settings, invitation, context);
  await replacePassword(client, invitation, signal);
  for (const [name, key] of Object.entries(invitation.operators))
    writeFileAtomic(`${paths.operatorsDirectory}/${name}.pub`, key, { mode: 0o644 });

  await client.join(invitation.config_room, { signal });
  await requireCreator(client, invitation, signal);
  await client.join(invitation.template_room, { signal });
  const recipient = readBounded(`${paths.launcherStateDirectory}/recipient`, 200).toString('utf8').trim();
  const machine: MachineSettings = {
    v: 1,
    machine: invitation.machine,
    userId: invitation.user_id,
    configRoom: invitation.config_room,
    configRoomCreator: invitation.config_room_creator,
    templateRoom: invitation.template_room,
    agentsRoom: invitation.agents_room,
    homeserverUrl: invitation.homeserver_url,
    serverName: invitation.server_name,
    recipient,
  };
  writeMachine(paths, machine, daemon);
  requireWritable(MACHINE_KEY, await client.state(machine.configRoom, MACHINE_KEY.type, machine.userId, { signal }));
  const key = { v: 1, algorithm: 'age-x25519', recipient, provision: invitation.provision };
  await client.setState(machine.configRoom, MACHINE_KEY.type, machine.userId, key, { signal });
  return machine;
}

/** Takes the file away that has done its work. What came from stdin is not ours. */
export function forgetInvitation(path: string): void {
  if (path !== '-') rmSync(path, { force: true });
}

function refuseOther({ machine, serverName }: InstanceSettings, invitation: MachineInvitation): void {
  if (machine === invitation.machine && serverName === invitation.server_name) return;
  throw new UsageError(
    'stand_differs',
    `This stand is ${machine} of ${serverName}, and the invitation is for ${invitation.machine} of ${invitation.server_name}; make another stand for it with --instance NAME`,
  );
}

/** A session that works: the one of an earlier attempt, or a new one, which is on disk before anything follows from it. */
async function ownSession(settings: InstanceSettings, invitation: MachineInvitation, context: OperationContext): Promise<MatrixClient> {
  const { paths, clock, signal } = context;
  const anonymous = new MatrixClient({ homeserverUrl: invitation.homeserver_url, clock });
  if (existsSync(daemonSessionFile(paths))) {
    const known = anonymous.withToken(readDaemonSession(paths));
    if (await tokenWorks(known, signal)) return known;
  }
  const login = {
    username: invitation.machine,
    password: invitation.one_time_password,
    deviceId: deviceOf(invitation.machine),
    deviceName: 'Bureau daemon',
  };
  try {
    const { accessToken, userId } = await loginAfresh(anonymous, login, { signal });
    if (userId !== invitation.user_id)
      throw new BureauError('matrix_server_name_mismatch', `Expected to be ${invitation.user_id}, and the homeserver says ${userId}`);
    writeDaemonSession(paths, accessToken, uidsOf(settings.uidBase).daemon);
    return anonymous.withToken(accessToken);
  } catch (error) {
    if (!hasCode(error, 'matrix_forbidden')) throw error;
    throw new BureauError(
      'invitation_used',
      `The homeserver refused the password of this invitation: it was used already, or the machine was provisioned again. If it was not used here, somebody else has it: provision ${invitation.machine} again (bureau machine provision ${invitation.machine} --again), which ends their session`,
      { cause: error, data: { machine: invitation.machine } },
    );
  }
}

/** From here on the invitation's password opens nothing. With a session of ours a refusal says that this was done before. */
async function replacePassword(
  client: MatrixClient,
  { machine, one_time_password: former }: MachineInvitation,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.changePassword({ username: machine, former, next: randomBytes(PASSWORD_BYTES).toString('hex') }, { signal });
  } catch (error) {
    if (!hasCode(error, 'matrix_forbidden')) throw error;
  }
}

async function requireCreator(client: MatrixClient, invitation: MachineInvitation, signal: AbortSignal): Promise<void> {
  const origin = roomOrigin(await client.allState(invitation.config_room, { signal }));
  if (origin?.creator === invitation.config_room_creator) return;
  throw new BureauError(
    'config_room_changed',
    `Expected ${invitation.config_room} to be made by ${invitation.config_room_creator}, and it was made by ${origin?.creator ?? 'nobody known'}; provision the machine again`,
  );
}
