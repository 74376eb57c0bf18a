// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { changeConfig, changedConfig } from './write-config.ts';

const shared = {
  input: v.strictObject({ machine: machineArgument, ...SESSION_ENTRIES }),
  output: changedConfig,
  fields: { machine: { help: MACHINE_HELP }, ...SESSION_FIELDS },
  positionals: ['machine'] as const,
};

/** `bureau machine cordon`. */
export const machineCordon: AnyOperation = defineOperation({
  ...shared,
  name: 'machine cordon',
  summary: 'Let a machine start nothing new; what runs goes on',
  description: 'Written in the machine’s config room: it holds as soon as the machine reads it, and until "bureau machine uncordon".',
  grant: 'machine/cordon',
  positionals: ['machine'],
  examples: [{ command: 'bureau machine cordon workstation', shows: 'a machine that takes nothing new' }],
  handler: ({ machine, ...input }, context) => changeConfig(machine, input, () => ({ cordoned: true }), context),
  render: ({ machine }) => `${machine} starts nothing new`,
});

/** `bureau machine uncordon`: also the end of a drain. */
export const machineUncordon: AnyOperation = defineOperation({
  ...shared,
  name: 'machine uncordon',
  summary: 'Let a machine start what it is assigned again, after cordon or drain',
  grant: 'machine/cordon',
  positionals: ['machine'],
  examples: [{ command: 'bureau machine uncordon workstation', shows: 'a machine that starts what it is assigned' }],
  handler: ({ machine, ...input }, context) => changeConfig(machine, input, () => ({ cordoned: false, draining: false }), context),
  render: ({ machine }) => `${machine} starts what it is assigned`,
});

/** `bureau machine drain`. */
export const machineDrain: AnyOperation = defineOperation({
  ...shared,
  name: 'machine drain',
  summary: 'End what runs on a machine, in order, and let it start nothing; assignments and workspaces stay',
  description: 'Before work on the host. "bureau machine uncordon" lets everything start again.',
  grant: 'machine/drain',
  positionals: ['machine'],
  examples: [{ command: 'bureau machine drain workstation', shows: 'a machine on which nothing runs, a few seconds later' }],
  handler: ({ machine, ...input }, context) => changeConfig(machine, input, () => ({ cordoned: true, draining: true }), context),
  render: ({ machine }) => `${machine} ends what runs; see "bureau machine show ${machine}"`,
});
