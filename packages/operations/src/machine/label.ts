// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import * as v from 'valibot';
import { SESSION_ENTRIES, SESSION_FIELDS } from '../matrix/session.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { MACHINE_HELP, machineArgument } from './machine-argument.ts';
import { changeConfig, changedConfig } from './write-config.ts';

/** `bureau machine label`. */
export const machineLabel: AnyOperation = defineOperation({
  name: 'machine label',
  summary: 'Set or remove labels of a machine, such as gpu=mi300',
  grant: 'machine/label',
  input: v.strictObject({
    machine: machineArgument,
    labels: v.optional(v.array(v.string()), []),
    remove: v.optional(v.array(v.string()), []),
    ...SESSION_ENTRIES,
  }),
  output: changedConfig,
  fields: {
    machine: { help: MACHINE_HELP },
    labels: { help: 'labels to set, KEY or KEY=VALUE' },
    remove: { help: 'a label to take away (may be repeated)', placeholder: 'KEY' },
    ...SESSION_FIELDS,
  },
  positionals: ['machine', 'labels'],
  examples: [
    { command: 'bureau machine label workstation gpu=mi300 rack=3', shows: 'the machine with all of its labels' },
    { command: 'bureau machine label workstation --remove rack', shows: 'the machine without that one' },
  ],
  handler: ({ machine, labels, remove, ...input }, context) =>
    changeConfig(machine, input, (before) => ({ labels: changedLabels(before.labels, labels, remove) }), context),
  render: ({ machine, labels }) => `${machine}: ${labelText(labels)}`,
});

/** `before` with some set and some gone. Throws `invalid_labels` for one that is not there to be removed. Pure. */
function changedLabels(
  before: Readonly<Record<string, string>>,
  set: readonly string[],
  remove: readonly string[],
): Record<string, string> {
  const labels = new Map(Object.entries(before));
  for (const key of remove)
    if (!labels.delete(key))
      throw new UsageError('invalid_labels', `There is no label "${key}" to remove; there are: ${labelText(Object.fromEntries(labels))}`);
  for (const label of set) {
    const at = label.indexOf('=');
    labels.set(at < 0 ? label : label.slice(0, at), at < 0 ? '' : label.slice(at + 1));
  }
  return Object.fromEntries([...labels].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** `gpu=mi300, ssd`; `no labels`. Pure. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  const all = Object.entries(labels).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
  return all.length === 0 ? 'no labels' : all.join(', ');
}
