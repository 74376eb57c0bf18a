// SPDX-License-Identifier: Apache-2.0
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { requireAssignment, writeAssignment } from '../assignments.ts';
import { connectDaemon } from '../daemon-client.ts';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** A payload gets 5 s after TERM; then everything is killed. */
const STOP_WAIT_MILLISECONDS = 20_000;

/** `bureau agent stop`: nothing of it runs, its assignment and workspace stay. */
export const agentStop: AnyOperation = defineOperation({
  name: 'agent stop',
  summary: 'Stop an agent; its assignment and workspace stay',
  grant: 'agent/stop',
  input: v.strictObject({ principal: principalName }),
  output: v.strictObject({ principal: principalName, event_id: v.string() }),
  fields: { principal: { help: 'the name of the agent' } },
  positionals: ['principal'],
  examples: [{ command: 'bureau agent stop demo/hello', shows: 'the demo agent stopped until "bureau agent restart demo/hello"' }],
  async handler({ principal }, context) {
    using daemon = await connectDaemon(context);
    const operator = openOperator(context);
    const assignment = await requireAssignment(operator, principal, context.signal);
    const event = await writeAssignment(operator, { ...assignment, desired: 'stopped' }, context.signal);
    await daemon.call(
      'wait',
      { principal, state: 'exited', milliseconds: STOP_WAIT_MILLISECONDS },
      { deadlineMilliseconds: STOP_WAIT_MILLISECONDS + 1_000 },
    );
    return { principal, event_id: event };
  },
  render: ({ principal }) => `${principal} stopped`,
});
