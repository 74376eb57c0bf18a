// SPDX-License-Identifier: Apache-2.0
import { parseLocalpart, parseMachineName, userIdOf, type MachineName, type RoomId, type ServerName, type UserId } from '@bureau/core';
import { ADMINISTRATOR } from './administrator.ts';
import type { MatrixClient } from './client.ts';
import { ownRoomState } from './ensure-room.ts';
import { roomSummaries } from './room-summaries.ts';
import { aliasOfRoom, machineConfigRoom } from './rooms.ts';
import type { StateEvent } from './schemas.ts';

/** A room that calls itself a machine's config room; whose it is, its state says (`ownRoomState`). */
export interface NamedMachineRoom {
  readonly machine: MachineName;
  readonly roomId: RoomId;
}

/** The rooms that we are in and that are named `#machine/<name>` on our server, ordered by name. */
export async function machineRooms(
  client: MatrixClient,
  serverName: ServerName,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly NamedMachineRoom[]> {
  const rooms = await roomSummaries(client, options);
  return rooms.flatMap(({ roomId, alias }) => {
    const machine = machineOf(alias, serverName);
    return machine === undefined ? [] : [{ machine, roomId }];
  });
}

/** A machine's config room that is ours, with its state. */
export interface OpenMachineRoom {
  readonly machine: MachineName;
  /** The machine's account. */
  readonly user: UserId;
  readonly roomId: RoomId;
  /** Who made it, whom the machine pins. */
  readonly creator: UserId;
  readonly state: readonly StateEvent[];
}

/** Looks into a machine's config room by its alias; `undefined` when there is none. Throws `matrix_alias_squatted` when set-up's administrator did not make it. */
export async function openMachineRoom(
  client: MatrixClient,
  serverName: ServerName,
  machine: MachineName,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<OpenMachineRoom | undefined> {
  const kind = machineConfigRoom(machine, serverName);
  const alias = aliasOfRoom(kind, serverName);
  const creator = userIdOf(parseLocalpart(ADMINISTRATOR), serverName);
  const roomId = await client.resolveAlias(alias, options);
  if (roomId === undefined) return undefined;
  const state = await ownRoomState({ client, owner: creator, signal: options.signal }, kind, alias, roomId);
  return { machine, user: userIdOf(machine, serverName), roomId, creator, state };
}

function machineOf(alias: string | undefined, serverName: ServerName): MachineName | undefined {
  if (alias?.startsWith('#') !== true || !alias.endsWith(`:${serverName}`)) return undefined;
  try {
    return parseMachineName(alias.slice(1, -serverName.length - 1));
  } catch {
    return undefined;
  }
}
