// SPDX-License-Identifier: Apache-2.0
import { BureauError, sleep } from '@bureau/core';
import type { OpenMachineRoom } from '@bureau/matrix';
import { ASSIGNMENT, CREDENTIALS, MACHINE_CONFIG, MACHINE_PROVISION, requireWritable } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS, type Session } from '../matrix/session.ts';
import { deviceOf } from '../principals.ts';
import type { OperationContext } from '../registry/context.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { askMachine } from './ask-machine.ts';
import { clearEvents, endAccess, kickMachine, principalsOf } from './end-access.ts';
import { findMachine } from './find-machine.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { machineFacts } from './machine-facts.ts';
import { ADMINISTRATOR_FIELD, openAdministration } from './server-administrator.ts';

/** A machine answers twenty commands of one sender in a minute. */
const LOOK_MILLISECONDS = 5_000;
/** Grace of every payload, and a loaded machine. */
const DRAIN_MILLISECONDS = 180_000;

/** `bureau machine decommission`: drain, take away, forget. Each step may be repeated; what is done already is left out. */
export const machineDecommission: AnyOperation = defineOperation({
  name: 'machine decommission',
  summary: 'Take a machine out of service in good order: drain it, take its agents’ keys and its account away',
  description:
    'Waits until nothing runs there, then takes assignments and bundles out of its room, ends its sessions and the one of each of its agents there, and takes it out of all rooms. Its config room stays for whoever looks later; workspaces stay on its disk until "script/down --purge" there. With --away a machine that does not answer any more is not waited for. For a machine that is not trusted see "bureau machine revoke".',
  grant: 'machine/decommission',
  input: v.strictObject({
    machine: machineArgument,
    away: v.optional(v.boolean(), false),
    server_admin_token_file: v.optional(v.string()),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({
    machine: v.string(),
    principals: v.array(v.string()),
    sessions_ended: v.number(),
    rooms_left_over: v.array(v.string()),
  }),
  fields: {
    machine: { help: MACHINE_HELP },
    away: { help: 'it does not answer any more: do not wait for its drain' },
    ...ADMINISTRATOR_FIELD,
    ...SESSION_FIELDS,
  },
  positionals: ['machine'],
  examples: [{ command: 'bureau machine decommission laptop', shows: 'a machine that nothing belongs to any more' }],
  async handler({ machine, away, server_admin_token_file: tokenFile, ...input }, context) {
    const { signal, progress } = context;
    const session = await openSession(input, context);
    await using administration = await openAdministration(session.homeserverUrl, tokenFile, context);
    const room = await findMachine(session, machine, signal);
    const facts = machineFacts(room);
    // Before anything is said, as in revoke.
    await administration.knows(room.user);
    for (const definition of [MACHINE_PROVISION, MACHINE_CONFIG]) requireWritable(definition, contentOf(room, definition.type));
    const draining = { ...facts.config, cordoned: true, draining: true };
    await session.client.setState(room.roomId, MACHINE_CONFIG.type, '', draining, { signal });
    if (!away && facts.provision?.decommissionedAt === undefined) await untilDrained(session, room, context);
    const principals = principalsOf(room, facts);
    progress('nothing runs there; taking its agents, keys and account away');
    await clearEvents(session, room, ASSIGNMENT.type, principals, signal);
    await clearEvents(session, room, CREDENTIALS.type, principals, signal);
    const scope = { serverName: session.serverName, device: deviceOf(machine) };
    const ended = await endAccess(administration, room.user, principals, scope);
    const left = await kickMachine(session, room.user, 'the machine was decommissioned', signal);
    const at = context.clock.now();
    const provision = facts.provision ?? { v: 1 as const, machine, user: room.user, at, by: session.user };
    if (provision.decommissionedAt === undefined)
      await session.client.setState(room.roomId, MACHINE_PROVISION.type, '', { ...provision, decommissionedAt: at }, { signal });
    return { machine, principals, sessions_ended: ended, rooms_left_over: [...left] };
  },
  render: ({ machine, principals, sessions_ended: ended, rooms_left_over: left }) =>
    [
      `${machine} is out of service: ${ended} sessions ended, ${principals.length} agents taken away`,
      ...left.map((line) => `still a member of ${line}`),
    ].join('\n'),
});

/** Asks the machine until no sandbox lives there. Throws `drain_incomplete`, and `deadline_exceeded` when it does not answer. */
async function untilDrained(session: Session, room: OpenMachineRoom, context: OperationContext): Promise<void> {
  const until = context.clock.monotonic() + DRAIN_MILLISECONDS;
  for (;;) {
    const { result, body } = await askMachine(session, room, { command: 'machine.status', parameters: {} }, context);
    if (result?.['sandboxes'] === 0) return;
    context.progress(`${room.machine}: ${body}`);
    if (context.clock.monotonic() > until)
      throw new BureauError(
        'drain_incomplete',
        `Expected ${room.machine} to end everything within ${DRAIN_MILLISECONDS / 1_000} s; see "bureau machine show ${room.machine}", and run this again`,
      );
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

function contentOf({ state }: OpenMachineRoom, wanted: string): unknown {
  return state.find(({ type, state_key: key }) => type === wanted && key === '')?.content;
}
