// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { COMMAND } from '@bureau/protocol';
import * as v from 'valibot';
import { openSession, SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { printable } from '../matrix/printable.ts';
import { EXIT_CODES } from '../registry/exit-codes.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { askMachine } from './ask-machine.ts';
import { findMachine } from './find-machine.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';

/** `bureau machine command`: the same as a message that anybody with the right sends from a Matrix client. */
export const machineCommand: AnyOperation = defineOperation({
  name: 'machine command',
  summary: 'Ask a machine through its room to do something, wherever it is',
  description:
    'Sends a command message into the machine’s config room and waits for the answer in its thread. Commands: machine.status, machine.plan, agent.list, agent.show, agent.stop, agent.start, agent.restart, agent.signal. The first four need power level 50 in that room, the others 100.',
  grant: 'machine/command',
  input: v.strictObject({
    machine: machineArgument,
    command: COMMAND.schema.entries.command,
    parameters: v.optional(v.array(v.string()), []),
    ...SESSION_ENTRIES,
  }),
  output: v.strictObject({
    event_id: v.string(),
    status: v.picklist(['success', 'error', 'accepted']),
    code: v.nullable(v.string()),
    body: v.string(),
    result: v.nullable(v.record(v.string(), v.unknown())),
  }),
  fields: {
    machine: { help: MACHINE_HELP },
    command: { help: 'what to do, such as agent.restart' },
    parameters: { help: 'what it needs, NAME=VALUE' },
    ...SESSION_FIELDS,
  },
  positionals: ['machine', 'command', 'parameters'],
  examples: [
    { command: 'bureau machine command laptop agent.list', shows: 'what runs there' },
    {
      command: 'bureau machine command laptop agent.stop principal=demo/hello',
      shows: 'that it was ended, and stays so until agent.start or a new generation',
    },
    { command: 'bureau machine command laptop agent.restart principal=demo/hello', shows: 'that it was ended, and starts again' },
  ],
  async handler({ machine, command, parameters, ...input }, context) {
    const session = await openSession(input, context);
    const room = await findMachine(session, machine, context.signal);
    return await askMachine(session, room, { command, parameters: pairs(parameters) }, context);
  },
  render: ({ body }) => body.split('\n').map(printable).join('\n'),
  exitCode: ({ status }) => (status === 'error' ? EXIT_CODES.failed : EXIT_CODES.ok),
});

function pairs(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError('invalid_input', `Expected NAME=VALUE and found ${JSON.stringify(pair.slice(0, 100))}`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
