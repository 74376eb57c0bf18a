// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { originsOf } from '@bureau/templates';
import * as v from 'valibot';
import { printableJson } from '../matrix/printable.ts';
import { textTable } from '../matrix/text-table.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ON_CANDIDATE, openCandidate } from './candidate.ts';
import { describeFindings } from './findings.ts';

/** `bureau template resolve`. */
export const templateResolve: AnyOperation = defineOperation({
  name: 'template resolve',
  summary: 'Show a template with everything that it inherits, and where each part comes from',
  description: 'What an assignment adds is laid over this by the same rules. A source of a room is resolved in its own room.',
  grant: 'template/resolve',
  ...ON_CANDIDATE,
  output: v.strictObject({
    name: v.string(),
    room_id: v.string(),
    /** In the order in which they are laid over each other; itself last. */
    lineage: v.array(v.string()),
    locks: v.array(v.strictObject({ path: v.string(), by: v.string() })),
    fields: v.record(v.string(), v.unknown()),
    origins: v.array(v.strictObject({ path: v.string(), value: v.unknown(), from: v.array(v.string()), locked_by: v.array(v.string()) })),
  }),
  examples: [
    { command: 'bureau template resolve python', shows: 'each part with the template that says it and those that lock it' },
    { command: 'bureau template resolve ./tool.jsonc --json', shows: 'the same of a file that is not published' },
  ],
  async handler(input, context) {
    const { label, name, room, checked } = await openCandidate(input, context);
    const { resolved } = checked;
    if (resolved === undefined)
      throw new UsageError('template_wrong', `It cannot be resolved:\n${describeFindings(label, checked.findings)}`);
    return {
      name,
      room_id: room.roomId,
      lineage: resolved.lineage.map((each) => each.name),
      locks: resolved.locks.map(({ path, by }) => ({ path, by })),
      fields: { ...resolved.fields },
      origins: originsOf(resolved).map(({ path, value, from, lockedBy }) => ({ path, value, from: [...from], locked_by: [...lockedBy] })),
    };
  },
  render: ({ lineage, locks, origins }) =>
    [
      lineage.join(' → '),
      textTable(
        ['FIELD', 'FROM', 'LOCKED BY', 'VALUE'],
        origins.map(({ path, value, from, locked_by }) => [path, from.join(' '), locked_by.join(' '), printableJson(value)]),
        'it says nothing',
      ),
      ...(locks.length > 0 ? [`locked: ${locks.map(({ path, by }) => `${path} (${by})`).join(', ')}`] : []),
    ].join('\n'),
});
