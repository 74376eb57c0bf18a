// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, parsePrincipalName } from '@bureau/core';
import { EVENT_TYPES, credentialsContent } from '@bureau/protocol';
import * as v from 'valibot';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { bundleFacts, describeBundle } from './describe.ts';
import { openPublished } from './published.ts';

const output = v.strictObject({
  bundles: v.array(bundleFacts),
  /** Those that the escrow key does not open, or that another operator signed. */
  unreadable: v.array(v.strictObject({ principal: v.string(), reason: v.string() })),
});

/** `bureau credential list`: every bundle of this machine. */
export const credentialList: AnyOperation = defineOperation({
  name: 'credential list',
  summary: 'List the credential bundles of this machine, with their ends',
  grant: 'credential/list',
  input: v.strictObject({}),
  output,
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau credential list', shows: 'one line for each agent that has keys here' }],
  async handler(_input, context) {
    const operator = openOperator(context);
    const state = await operator.client.allState(operator.machine.configRoom, { signal: context.signal });
    const found: v.InferOutput<typeof output> = { bundles: [], unreadable: [] };
    for (const { type, state_key: stateKey, content } of state) {
      if (type !== EVENT_TYPES.credentials || !v.is(credentialsContent, content)) continue;
      try {
        using bundle = await openPublished(operator, parsePrincipalName(stateKey), context);
        if (bundle === undefined) continue;
        const sealed = bundle.recipients.includes(operator.machine.recipient);
        found.bundles.push(describeBundle(bundle.header, [...bundle.secrets.keys()], context.clock.now(), sealed));
      } catch (error) {
        if (!(error instanceof BureauError)) throw error;
        found.unreadable.push({ principal: stateKey, reason: describeError(error) });
      }
    }
    found.bundles.sort((one, other) => (one.principal < other.principal ? -1 : 1));
    return found;
  },
  render: ({ bundles, unreadable }) =>
    [
      ...bundles.map(
        ({ principal, state, expires_at: ends, upstreams }) =>
          `${principal}  ${state}, ends ${ends}  ${upstreams.map(({ name }) => name).join(', ')}`,
      ),
      ...unreadable.map(({ principal, reason }) => `${principal}  cannot be read: ${reason}`),
    ].join('\n') || 'no agent has keys on this machine',
});
