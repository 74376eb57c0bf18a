// SPDX-License-Identifier: Apache-2.0
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { clearAssignment } from '../assignments.ts';
import { connectDaemon } from '../daemon-client.ts';
import { machineArgument } from '../machine/machine-argument.ts';
import { operatorFor } from '../machine/operator-for.ts';
import { openOperator } from '../operator.ts';
import { revokePrincipal } from '../principals.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

const REMOVE_WAIT_MILLISECONDS = 20_000;

/** `bureau agent remove`: ends it, takes its keys away; the account and the workspace stay. Idempotent. */
export const agentRemove: AnyOperation = defineOperation({
  name: 'agent remove',
  summary: 'End an agent and take its keys away; its account and workspace stay',
  grant: 'agent/remove',
  input: v.strictObject({ principal: principalName, machine: v.optional(machineArgument) }),
  output: v.strictObject({ principal: principalName, workspace: v.nullable(v.string()) }),
  fields: {
    principal: { help: 'the name of the agent' },
    machine: { help: 'the machine that runs it; default: this one. For another one it is not waited for its end', placeholder: 'NAME' },
  },
  positionals: ['principal'],
  examples: [{ command: 'bureau agent remove demo/clock', shows: 'the agent gone, its files kept' }],
  async handler({ principal, machine }, context) {
    const here = openOperator(context);
    const operator = machine === undefined ? here : await operatorFor(machine, context, 'take away');
    using daemon = operator.machine.machine === here.machine.machine ? await connectDaemon(context) : undefined;
    await revokePrincipal(operator, principal, context);
    await clearAssignment(operator, principal);
    if (daemon === undefined) return { principal, workspace: null };
    await daemon.call(
      'wait',
      { principal, state: 'absent', milliseconds: REMOVE_WAIT_MILLISECONDS },
      { deadlineMilliseconds: REMOVE_WAIT_MILLISECONDS + 1_000 },
    );
    return { principal, workspace: context.paths.workspaceOf(principal) };
  },
  render: ({ principal, workspace }) =>
    workspace === null
      ? `${principal} removed; it ends as soon as its machine reads that`
      : `${principal} removed; its files are kept in ${workspace}`,
});
