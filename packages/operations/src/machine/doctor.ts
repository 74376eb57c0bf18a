// SPDX-License-Identifier: Apache-2.0
import { describeError } from '@bureau/core';
import { readMachine, type MachineSettings } from '@bureau/instance';
import { examineMachineRoom, openMachineRoom, type OpenMachineRoom } from '@bureau/matrix';
import * as v from 'valibot';
import { connectDaemon } from '../daemon-client.ts';
import { checkReport, renderChecks, type Check } from '../host/checks.ts';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS, type Session } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { machineFacts } from './machine-facts.ts';

/** `bureau machine doctor`: whether this machine, its processes, its room and what operators believe of it fit together. */
export const machineDoctor: AnyOperation = defineOperation({
  name: 'machine doctor',
  summary: 'Check this machine: its pinned room, its key, its daemon, who is in its room',
  description: 'For the host itself see "bureau doctor host", for the standard rooms "bureau matrix doctor".',
  grant: 'machine/doctor',
  input: v.strictObject({ fix: v.optional(v.boolean(), false), ...SESSION_ENTRIES }),
  output: checkReport,
  fields: { fix: { help: 'repair levels and members of the config room' }, ...SESSION_FIELDS },
  positionals: [],
  examples: [{ command: 'bureau machine doctor', shows: 'one line for each check, with what would put it right' }],
  async handler({ fix, ...input }, context) {
    const machine = readMachine(context.paths);
    const session = await openSession(input, context);
    const checks = [await daemonCheck(machine, context), ...(await roomChecks(machine, session, fix, context))];
    return { checks, ok: checks.every(({ status }) => status !== 'fail') };
  },
  render: renderChecks,
  exitCode: ({ ok }) => (ok ? EXIT_CODES.ok : EXIT_CODES.failed),
});

async function daemonCheck(machine: MachineSettings, context: OperationContext): Promise<Check> {
  const name = 'daemon';
  try {
    using daemon = await connectDaemon(context);
    const { sync, launcher, configRoom } = await daemon.call('status', {});
    if (sync === 'logged_out')
      return {
        name,
        status: 'fail',
        message: 'the homeserver has ended its session',
        fix: `find out who did; then: bureau machine provision ${machine.machine} --again`,
      };
    if (configRoom !== machine.configRoom)
      return {
        name,
        status: 'fail',
        message: `it follows ${configRoom}, and ${machine.configRoom} is pinned`,
        fix: 'restart it: script/up',
      };
    const live = sync === 'live' && launcher === 'connected';
    return {
      name,
      status: live ? 'pass' : 'warn',
      message: `sync ${sync}, launcher ${launcher}`,
      ...(live ? {} : { fix: 'look into its log' }),
    };
  } catch (error) {
    context.signal.throwIfAborted();
    return { name, status: 'fail', message: describeError(error), fix: 'start it: script/up' };
  }
}

async function roomChecks(machine: MachineSettings, session: Session, fix: boolean, context: OperationContext): Promise<Check[]> {
  const { signal } = context;
  const name = 'config room';
  let room: OpenMachineRoom | undefined;
  try {
    room = await openMachineRoom(session.client, session.serverName, machine.machine, { signal });
  } catch (error) {
    signal.throwIfAborted();
    return [{ name, status: 'fail', message: describeError(error), fix: 'take the alias away from that room' }];
  }
  if (room === undefined) return [{ name, status: 'fail', message: `there is no #${machine.machine}`, fix: 'make it: script/up' }];
  const pinned = room.roomId === machine.configRoom && room.creator === machine.configRoomCreator;
  const report: Check[] = [
    pinned
      ? { name, status: 'pass', message: `${room.roomId}, made by ${room.creator}, as pinned` }
      : {
          name,
          status: 'fail',
          message: `its alias names ${room.roomId}, and ${machine.configRoom} is pinned`,
          fix: 'find out who moved the alias',
        },
  ];
  if (!pinned) return report;
  const examined = await examineMachineRoom({ client: session.client, serverName: session.serverName, room, fix, signal });
  return [...report, ...examined.map((each) => ({ ...each })), keyCheck(machine, room)];
}

/** Three places say the machine's key: its own disk, its word in the room, what operators have pinned. */
function keyCheck({ recipient, machine }: MachineSettings, room: OpenMachineRoom): Check {
  const { recipient: published, provision, revocation } = machineFacts(room);
  const name = 'key';
  if (revocation !== undefined) return { name, status: 'fail', message: `the machine is revoked: ${revocation.reason}` };
  if (published !== recipient)
    return {
      name,
      status: 'fail',
      message: `the room says ${published ?? 'none'}, and this disk ${recipient}`,
      fix: 'publish it again: script/up',
    };
  if (provision?.recipient === undefined)
    return { name, status: 'warn', message: 'nobody has pinned it', fix: `bureau machine confirm ${machine}` };
  if (provision.recipient !== recipient)
    return {
      name,
      status: 'fail',
      message: `operators have pinned ${provision.recipient}`,
      fix: `bureau machine provision ${machine} --again`,
    };
  return { name, status: 'pass', message: 'disk, room and operators say the same' };
}
