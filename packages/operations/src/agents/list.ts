// SPDX-License-Identifier: Apache-2.0
import { principalStatus } from '@bureau/protocol';
import * as v from 'valibot';
import { connectDaemon } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { statusTable } from './describe.ts';
import { allStatuses } from './statuses.ts';

/** `bureau agent list`. */
export const agentList: AnyOperation = defineOperation({
  name: 'agent list',
  summary: 'List the agents of this machine and how they are',
  grant: 'agent/list',
  input: v.strictObject({}),
  output: v.strictObject({ agents: v.array(principalStatus) }),
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau agent list --json', shows: 'every agent with its state, exit code and restarts' }],
  async handler(_input, context) {
    using daemon = await connectDaemon(context);
    return { agents: await allStatuses(daemon) };
  },
  render: ({ agents }) => statusTable(agents),
});
