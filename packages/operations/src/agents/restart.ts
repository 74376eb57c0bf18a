// SPDX-License-Identifier: Apache-2.0
import { principalName, principalStatus } from '@bureau/protocol';
import * as v from 'valibot';
import { requireAssignment, writeAssignment } from '../assignments.ts';
import { connectDaemon } from '../daemon-client.ts';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { describeStatus } from './describe.ts';
import { waitRunning } from './wait.ts';

/** `bureau agent restart`: a fresh sandbox; also the way to start a stopped one. */
export const agentRestart: AnyOperation = defineOperation({
  name: 'agent restart',
  summary: 'Start an agent afresh, whether it runs or was stopped',
  grant: 'agent/restart',
  input: v.strictObject({ principal: principalName }),
  output: v.strictObject({ principal: principalName, event_id: v.string(), status: principalStatus }),
  fields: { principal: { help: 'the name of the agent' } },
  positionals: ['principal'],
  examples: [{ command: 'bureau agent restart demo/hello', shows: 'the demo agent in a fresh sandbox' }],
  async handler({ principal }, context) {
    using daemon = await connectDaemon(context);
    const operator = openOperator(context);
    const assignment = await requireAssignment(operator, principal, context.signal);
    const generation = assignment.generation + 1;
    const event = await writeAssignment(operator, { ...assignment, desired: 'running', generation }, context.signal);
    return { principal, event_id: event, status: await waitRunning(daemon, principal, generation, context) };
  },
  render: ({ status }) => describeStatus(status),
});
