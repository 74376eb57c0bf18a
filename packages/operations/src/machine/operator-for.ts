// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, type MachineName, type PrincipalName } from '@bureau/core';
import type { MachineSettings } from '@bureau/instance';
import type { OpenMachineRoom } from '@bureau/matrix';
import { credentialFilePath, openOperator, type Operator } from '../operator.ts';
import { openSession } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';
import { allMachines, findMachine } from './find-machine.ts';
import { machineCondition, type MachineCondition } from './machine-condition.ts';
import { machineFacts, type MachineFacts } from './machine-facts.ts';

/** In these nothing may be sealed to a machine, and what to do about it. */
const REFUSED: Partial<Record<MachineCondition, string>> = {
  revoked: 'it is revoked; nothing may be given to it',
  decommissioned: 'it was taken out of service; provision it again first',
  key_changed: 'it has published another key than the pinned one; find out why before anything is sealed for it',
  expected: 'it has not come yet; run "script/up --join FILE" there first',
  unconfirmed: 'its key is not pinned; see "bureau machine confirm --help"',
};

/**
 * The operator as one of another machine of the same homeserver: its config room and its pinned key in place of this host's. Throws
 * `machine_unknown`, and `machine_refused` for one whose key may not be used, unless something is only taken away from it.
 */
export async function operatorFor(
  machine: MachineName,
  context: OperationContext,
  purpose: 'give' | 'take away' = 'give',
): Promise<Operator> {
  const here = openOperator(context);
  if (machine === here.machine.machine) return here;
  const session = await openSession({ credential_file: credentialFilePath(context) }, context);
  const room = await findMachine(session, machine, context.signal);
  return { ...here, machine: settingsFor(here.machine, room, machineFacts(room), context.clock.now(), purpose) };
}

/** What is known here of this machine, and there of the other. Throws `machine_refused`. Pure. */
export function settingsFor(
  here: MachineSettings,
  { creator, machine, roomId, user }: Omit<OpenMachineRoom, 'state'>,
  facts: MachineFacts,
  now: number,
  purpose: 'give' | 'take away' = 'give',
): MachineSettings {
  const condition = machineCondition(facts, now);
  const why = REFUSED[condition];
  const { recipient = '' } = facts.provision ?? {};
  if (purpose === 'give' && (why !== undefined || recipient === ''))
    throw new BureauError('machine_refused', `Cannot deploy to ${machine}: ${why ?? 'its key is not pinned'}`, {
      data: { machine, condition },
    });
  const homeserverUrl = facts.provision?.homeserverUrl ?? here.homeserverUrl;
  return { ...here, machine, userId: user, configRoom: roomId, configRoomCreator: creator, homeserverUrl, recipient };
}

/** Throws `assigned_elsewhere` when another machine is to run this principal: it would be there twice, with one account. */
export async function requireNowhereElse(principal: PrincipalName, machine: MachineName, context: OperationContext): Promise<void> {
  const session = await openSession({ credential_file: credentialFilePath(context) }, context);
  for (const room of await allMachines(session, context.signal)) {
    if (room.machine === machine || !machineFacts(room).assigned.includes(principal)) continue;
    throw new UsageError(
      'assigned_elsewhere',
      `"${principal}" is assigned to ${room.machine}; remove it there first (bureau agent remove ${principal} --machine ${room.machine.replace(/^machine\//, '')}), or use another name`,
      { data: { principal, machine: room.machine } },
    );
  }
}
