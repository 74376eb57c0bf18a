// SPDX-License-Identifier: Apache-2.0
import { parseMachineName, type MachineName, type RoomId, type ServerName } from '@bureau/core';
import type { MatrixClient } from './client.ts';
import { roomSummaries } from './room-summaries.ts';

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

function machineOf(alias: string | undefined, serverName: ServerName): MachineName | undefined {
  if (alias?.startsWith('#') !== true || !alias.endsWith(`:${serverName}`)) return undefined;
  try {
    return parseMachineName(alias.slice(1, -serverName.length - 1));
  } catch {
    return undefined;
  }
}
