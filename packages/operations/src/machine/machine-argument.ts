// SPDX-License-Identifier: Apache-2.0
import { parseMachineName, type MachineName } from '@bureau/core';
import * as v from 'valibot';

/** The name of a machine as people give it, with or without `machine/`. */
export const machineArgument = v.pipe(
  v.string(),
  v.rawTransform<string, MachineName>(({ dataset, addIssue, NEVER }) => {
    try {
      return parseMachineName(dataset.value.startsWith('machine/') ? dataset.value : `machine/${dataset.value}`);
    } catch (error) {
      addIssue({ message: error instanceof Error ? error.message : 'expected the name of a machine' });
      return NEVER;
    }
  }),
);

/** Its help. */
export const MACHINE_HELP = 'the machine’s name, such as workstation';
