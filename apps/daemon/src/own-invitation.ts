// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import type { MachineSettings } from '@bureau/instance';
import { OPERATOR_LEVEL, powerOf, type StateEvent } from '@bureau/matrix';
import type { Invitation, MachineSync } from '@bureau/matrix-sync';

/**
 * Whether an invitation is taken up: into one of the rooms that are pinned or that the machine's data names, from whoever made the config
 * room or has an operator's level in it.
 */
export function isOwnInvitation(
  { room, from }: Invitation,
  machine: MachineSettings,
  sync: Pick<MachineSync, 'state'>,
  named: readonly RoomId[],
): boolean {
  if (from === undefined || ![machine.configRoom, machine.templateRoom, machine.agentsRoom, ...named].includes(room)) return false;
  if (from === machine.configRoomCreator) return true;
  const known = ['m.room.create', 'm.room.power_levels'].flatMap((type) =>
    sync
      .state(machine.configRoom, type)
      .map(({ stateKey, sender, content }): StateEvent => ({ type, state_key: stateKey, sender, content })),
  );
  // Nothing that another room said in the place of the pinned one makes anybody an operator.
  if (!known.some(({ type, sender }) => type === 'm.room.create' && sender === machine.configRoomCreator)) return false;
  const power = powerOf(known, from);
  return power === 'unlimited' || power >= OPERATOR_LEVEL;
}
