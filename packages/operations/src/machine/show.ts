// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@bureau/core';
import { machineInfoContent, machineLoadContent } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { printable } from '../matrix/printable.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { findMachine } from './find-machine.ts';
import { labelText } from './label.ts';
import { gibibytes } from './list.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { MACHINE_CONDITIONS, machineCondition } from './machine-condition.ts';
import { machineFacts } from './machine-facts.ts';

/** `bureau machine show`: from the room alone, whether the machine is there or not. */
export const machineShow: AnyOperation = defineOperation({
  name: 'machine show',
  summary: 'Show one machine: its hardware, its load, its key, what it is to run',
  description:
    'What its config room tells, also while the machine is away. For the processes of this very machine see "bureau machine status".',
  grant: 'machine/show',
  input: v.strictObject({ machine: machineArgument, ...SESSION_ENTRIES }),
  output: v.strictObject({
    now: v.number(),
    machine: v.string(),
    user_id: v.string(),
    room_id: v.string(),
    condition: v.picklist(MACHINE_CONDITIONS),
    labels: v.record(v.string(), v.string()),
    assigned: v.array(v.string()),
    /** What bundles are sealed to, as the machine has published it, and as operators have pinned it. */
    recipient: v.nullable(v.string()),
    pinned_recipient: v.nullable(v.string()),
    info: v.nullable(machineInfoContent),
    load: v.nullable(machineLoadContent),
    faults: v.array(v.string()),
  }),
  fields: { machine: { help: MACHINE_HELP }, ...SESSION_FIELDS },
  positionals: ['machine'],
  examples: [{ command: 'bureau machine show workstation', shows: 'hardware, load, key and agents' }],
  async handler({ machine, ...input }, context) {
    const session = await openSession(input, context);
    const room = await findMachine(session, machine, context.signal);
    const facts = machineFacts(room);
    const now = context.clock.now();
    return {
      now,
      machine,
      user_id: room.user,
      room_id: room.roomId,
      condition: machineCondition(facts, now),
      labels: facts.config.labels,
      assigned: [...facts.assigned],
      recipient: facts.recipient ?? null,
      pinned_recipient: facts.provision?.recipient ?? null,
      info: facts.info ?? null,
      load: facts.load ?? null,
      faults: [...facts.faults],
    };
  },
  render({
    now,
    machine,
    user_id: user,
    room_id: room,
    condition,
    labels,
    assigned,
    recipient,
    pinned_recipient: pinned,
    info,
    load,
    faults,
  }) {
    const lines = [`${machine}  ${condition}  ${labelText(labels)}`, `${user}  ${room}`];
    if (info !== null) {
      const { cpu } = info;
      lines.push(
        `${info.hostname}, Linux ${info.kernel}, build ${info.build}`,
        `${cpu.model}: ${cpu.sockets} sockets, ${cpu.cores} cores, ${cpu.threads} threads; ${gibibytes(info.memoryBytes)} memory, ${gibibytes(info.swapBytes)} swap`,
        ...info.gpus.map(
          (gpu) => `${gpu.vendor} ${gpu.model} at ${gpu.slot}${gpu.memoryBytes === undefined ? '' : `, ${gibibytes(gpu.memoryBytes)}`}`,
        ),
      );
    }
    if (load === null) lines.push('no load told yet');
    else {
      lines.push(
        `${load.cpuPercent} % of the processors, ${gibibytes(load.memoryUsedBytes)} used, ${load.sandboxes.running} sandboxes run; ${formatDuration(Math.max(0, now - load.at))} ago`,
        ...load.principals
          .slice(0, 20)
          .map((each) => `  ${each.principal}: ${each.cpuPercent} % of a core, ${gibibytes(each.memoryBytes)}`),
      );
    }
    lines.push(`key: ${recipient ?? 'none published yet'}`);
    if (pinned !== null && pinned !== recipient) lines.push(`pinned key: ${pinned}  NOT WHAT THE MACHINE SAYS: nothing is sealed to it`);
    lines.push(
      assigned.length === 0 ? 'nothing is assigned' : `assigned: ${assigned.join(', ')}`,
      ...faults.map((fault) => `cannot read ${fault}`),
    );
    return lines.map((line) => printable(line)).join('\n');
  },
});
