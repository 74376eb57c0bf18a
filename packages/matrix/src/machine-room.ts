// SPDX-License-Identifier: Apache-2.0
import { userIdOf, type MachineName, type RoomId, type UserId } from '@bureau/core';
import type { MatrixClient } from './client.ts';
import { ensureRoom, type RoomContext } from './ensure-room.ts';
import { ensureMember } from './membership.ts';
import { machineConfigRoom } from './rooms.ts';

export interface MachineRoom {
  /** The machine pins both in a root-owned file and never asks the alias again. */
  readonly roomId: RoomId;
  readonly creator: UserId;
  readonly outcome: 'made' | 'repaired' | 'kept';
}

/**
 * The machine's config room as it should be, with the machine in it. With `machineClient` the machine joins; without it is invited.
 * The machine gets its level from the room's power levels, so it may report before anybody promotes it.
 */
export async function ensureMachineRoom(context: RoomContext, machine: MachineName, machineClient?: MatrixClient): Promise<MachineRoom> {
  const { roomId, outcome } = await ensureRoom(context, machineConfigRoom(machine, context.serverName));
  await ensureMember(
    roomId,
    userIdOf(machine, context.serverName),
    { inviter: context.client, ...(machineClient === undefined ? {} : { member: machineClient }) },
    { signal: context.signal },
  );
  return { roomId, creator: context.owner, outcome };
}
