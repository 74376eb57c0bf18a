// SPDX-License-Identifier: Apache-2.0
import { plannedAction, timestamp } from '@bureau/protocol';
import * as v from 'valibot';
import { describeStep } from '../agents/describe.ts';
import { wholePlan } from '../agents/statuses.ts';
import { connectDaemon } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** `bureau machine plan`: what the reconciler would do now; empty when all is as desired. */
export const machinePlan: AnyOperation = defineOperation({
  name: 'machine plan',
  summary: 'Show what this machine would do now to become what its room says',
  grant: 'machine/plan',
  input: v.strictObject({}),
  output: v.strictObject({ actions: v.array(plannedAction), now: timestamp }),
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau machine plan --json', shows: 'each action with its reason and the event that caused it' }],
  async handler(_input, context) {
    using daemon = await connectDaemon(context);
    return { actions: await wholePlan(daemon), now: context.clock.now() };
  },
  render: ({ actions, now }) =>
    actions.length === 0 ? 'nothing to do: all is as desired' : actions.map((action) => describeStep(action, now)).join('\n'),
});
