// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@bureau/core';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { textTable } from '../matrix/text-table.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { allMachines } from './find-machine.ts';
import { labelText } from './label.ts';
import { MACHINE_CONDITIONS, machineCondition } from './machine-condition.ts';
import { machineFacts } from './machine-facts.ts';

const machineLine = v.strictObject({
  machine: v.string(),
  user_id: v.string(),
  room_id: v.string(),
  condition: v.picklist(MACHINE_CONDITIONS),
  labels: v.record(v.string(), v.string()),
  agents: v.number(),
  cpu_percent: v.nullable(v.number()),
  memory_used_bytes: v.nullable(v.number()),
  last_heard_at: v.nullable(v.number()),
});

/** `bureau machine list`: from the rooms alone, whether the machines are there or not. */
export const machineList: AnyOperation = defineOperation({
  name: 'machine list',
  summary: 'Show all machines of this homeserver, as their rooms tell',
  grant: 'machine/list',
  input: v.strictObject({ ...SESSION_ENTRIES }),
  output: v.strictObject({ now: v.number(), machines: v.array(machineLine) }),
  fields: SESSION_FIELDS,
  positionals: [],
  examples: [{ command: 'bureau machine list', shows: 'each machine with its condition, labels and load' }],
  async handler(input, context) {
    const session = await openSession(input, context);
    const now = context.clock.now();
    const machines = (await allMachines(session, context.signal)).map((room) => {
      const facts = machineFacts(room);
      return {
        machine: room.machine,
        user_id: room.user,
        room_id: room.roomId,
        condition: machineCondition(facts, now),
        labels: facts.config.labels,
        agents: facts.assigned.length,
        cpu_percent: facts.load?.cpuPercent ?? null,
        memory_used_bytes: facts.load?.memoryUsedBytes ?? null,
        last_heard_at: facts.load?.at ?? null,
      };
    });
    return { now, machines };
  },
  render: ({ now, machines }) =>
    textTable(
      ['MACHINE', 'CONDITION', 'AGENTS', 'CPU', 'MEMORY', 'HEARD', 'LABELS'],
      machines.map((each) => [
        each.machine,
        each.condition,
        String(each.agents),
        each.cpu_percent === null ? '-' : `${each.cpu_percent} %`,
        each.memory_used_bytes === null ? '-' : gibibytes(each.memory_used_bytes),
        each.last_heard_at === null ? 'never' : `${formatDuration(Math.max(0, now - each.last_heard_at))} ago`,
        labelText(each.labels),
      ]),
      'no machines',
    ),
});

/** `3.2 GiB`. Pure. */
export function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
