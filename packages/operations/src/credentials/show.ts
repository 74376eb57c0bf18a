// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { bundleFacts, describeBundle, renderBundle } from './describe.ts';
import { openPublished } from './published.ts';

/** `bureau credential show`: what an agent's bundle allows; never a secret. */
export const credentialShow: AnyOperation = defineOperation({
  name: 'credential show',
  summary: 'Show which upstreams and secrets an agent has; never a secret itself',
  grant: 'credential/show',
  input: v.strictObject({ principal: principalName }),
  output: bundleFacts,
  fields: { principal: { help: 'the name of the agent' } },
  positionals: ['principal'],
  examples: [{ command: 'bureau credential show iree/pm', shows: 'its upstreams, the names of its secrets, when they end' }],
  async handler({ principal }, context) {
    const operator = openOperator(context);
    using bundle = await openPublished(operator, principal, context);
    if (bundle === undefined) throw noBundle(principal);
    const sealed = bundle.recipients.includes(operator.machine.recipient);
    return describeBundle(bundle.header, [...bundle.secrets.keys()], context.clock.now(), sealed);
  },
  render: renderBundle,
});

/** The error of every command that needs a bundle and finds none. */
export function noBundle(principal: string): BureauError {
  return new BureauError(
    'no_credentials',
    `Expected a bundle of ${principal} in this machine's config room, found none; bureau credential provision makes one`,
    {
      data: { principal },
    },
  );
}
