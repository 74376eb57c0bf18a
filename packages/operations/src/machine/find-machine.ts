// SPDX-License-Identifier: Apache-2.0
import { UsageError, type MachineName } from '@bureau/core';
import { machineRooms, openMachineRoom, type OpenMachineRoom } from '@bureau/matrix';
import type { Session } from '../matrix/session.ts';

/** The config room of a machine. Throws `machine_unknown`, which names those that there are, and `matrix_alias_squatted`. */
export async function findMachine({ client, serverName }: Session, machine: MachineName, signal: AbortSignal): Promise<OpenMachineRoom> {
  const room = await openMachineRoom(client, serverName, machine, { signal });
  if (room !== undefined) return room;
  const known = (await machineRooms(client, serverName, { signal })).map((each) => each.machine);
  throw new UsageError(
    'machine_unknown',
    `There is no machine ${machine} on ${serverName}; known: ${known.length === 0 ? 'none' : known.join(', ')}`,
    { data: { machine } },
  );
}

/** The config rooms of all machines, by name; those that somebody else made are left out (`bureau matrix doctor` tells of them). */
export async function allMachines(session: Session, signal: AbortSignal): Promise<readonly OpenMachineRoom[]> {
  const { client, serverName } = session;
  const named = await machineRooms(client, serverName, { signal });
  const opened = await Promise.all(
    named.map(({ machine }) => openMachineRoom(client, serverName, machine, { signal }).catch(unlessSquatted)),
  );
  return opened.filter((room) => room !== undefined);
}

function unlessSquatted(error: unknown): undefined {
  if (error instanceof UsageError || (error as { code?: unknown }).code !== 'matrix_alias_squatted') throw error;
  return undefined;
}
