// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { requireAssignment, writeAssignment } from '../assignments.ts';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { parseObject } from './json-argument.ts';

/** An assignment with it must fit into one event. */
const PAYLOAD_FILE_MAX_BYTES = 60_000;

/** `bureau agent payload`: what an agent is told to do, without starting it afresh. */
export const agentPayload: AnyOperation = defineOperation({
  name: 'agent payload',
  summary: 'Tell an agent what to do, while it runs',
  description:
    'The object becomes /run/bureau/payload.json in its sandbox, replaced whole: the agent sees the old one or the new one. It is not started afresh and gets no signal; it watches the directory or reads the file again.',
  grant: 'agent/payload',
  input: v.strictObject({ principal: principalName, payload: v.optional(v.string()), file: v.optional(v.string()) }),
  output: v.strictObject({ principal: principalName, event_id: v.string() }),
  fields: {
    principal: { help: 'the name of the agent' },
    payload: { help: 'a JSON object', placeholder: 'JSON' },
    file: { help: 'a file that holds it', placeholder: 'FILE' },
  },
  positionals: ['principal', 'payload'],
  examples: [
    { command: `bureau agent payload demo/hello '{"task": "count to three"}'`, shows: 'the ID of the event that says so' },
    { command: 'bureau agent payload demo/hello --file task.json', shows: 'the same from a file' },
  ],
  async handler({ principal, payload, file }, context) {
    if ((payload === undefined) === (file === undefined))
      throw new UsageError('invalid_arguments', 'Expected the payload as an argument or with --file, one of the two');
    const content = parseObject(
      file === undefined ? (payload ?? '') : readBounded(file, PAYLOAD_FILE_MAX_BYTES).toString('utf8'),
      'invalid_payload',
    );
    const operator = openOperator(context);
    const assignment = await requireAssignment(operator, principal, context.signal);
    return { principal, event_id: await writeAssignment(operator, { ...assignment, payload: content }, context.signal) };
  },
  render: ({ event_id: event }) => event,
});
