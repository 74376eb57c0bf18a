// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { bundleFacts, describeBundle, renderBundle } from './describe.ts';
import { openPublished, publishBundle, rulesOf } from './published.ts';
import { readSecrets } from './secret-source.ts';
import { noBundle } from './show.ts';

/** `bureau credential rotate`: new values for secrets that an agent has, live. */
export const credentialRotate: AnyOperation = defineOperation({
  name: 'credential rotate',
  summary: 'Replace secrets of an agent while it runs, or seal its bundle anew',
  description:
    'Requests that the proxy starts after it has the new bundle use the new secrets only. Without --secret the bundle is sealed anew, for a year.',
  grant: 'credential/rotate',
  input: v.strictObject({ principal: principalName, secret: v.optional(v.array(v.string()), []) }),
  output: bundleFacts,
  fields: {
    principal: { help: 'the name of the agent' },
    secret: { help: 'the new value, as NAME=file:PATH, NAME=env:VARIABLE or NAME=stdin', placeholder: 'NAME=SOURCE' },
  },
  positionals: ['principal'],
  examples: [
    {
      command: 'pass model-key | bureau credential rotate iree/pm --secret MODEL_KEY=stdin',
      shows: 'the key replaced in the running agent’s proxy',
    },
  ],
  async handler({ principal, secret }, context) {
    using given = await readSecrets(secret, { input: context.input, variable: context.variable });
    const operator = openOperator(context);
    using bundle = await openPublished(operator, principal, context);
    if (bundle === undefined) throw noBundle(principal);
    const unknown = [...given.bytes.keys()].find((name) => !bundle.secrets.has(name));
    if (unknown !== undefined) {
      throw new UsageError(
        'secret_invalid',
        `${principal} has no secret ${unknown}; it has ${[...bundle.secrets.keys()].join(', ')}. New ones: bureau credential provision`,
      );
    }
    const secrets = new Map([...bundle.secrets, ...given.bytes]);
    const header = await publishBundle(operator, principal, { rules: rulesOf(bundle), secrets }, bundle.header.issued_at, context);
    return describeBundle(header, [...secrets.keys()], context.clock.now(), true);
  },
  render: renderBundle,
});
