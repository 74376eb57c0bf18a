// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { openOperator } from '../operator.ts';
import { endToken } from '../principals.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { bundleFacts, describeBundle, renderBundle } from './describe.ts';
import { openPublished, publishBundle, rulesOf, secretsUsedBy } from './published.ts';
import { noBundle } from './show.ts';

/** `bureau credential revoke`: takes an upstream and its keys away, or all of them and the agent's Matrix token; live. */
export const credentialRevoke: AnyOperation = defineOperation({
  name: 'credential revoke',
  summary: 'Take an upstream, or every key and the Matrix token, from an agent while it runs',
  description:
    'With --upstream only that one and the secrets that nothing else uses. Without it everything: the agent’s device is logged out, and its proxy is left with a dead token. What the key can do elsewhere ends only where it was issued: revoke it there too.',
  grant: 'credential/revoke',
  input: v.strictObject({ principal: principalName, upstream: v.optional(v.array(v.string()), []) }),
  output: bundleFacts,
  fields: {
    principal: { help: 'the name of the agent' },
    upstream: { help: 'only this upstream', placeholder: 'NAME' },
  },
  positionals: ['principal'],
  examples: [{ command: 'bureau credential revoke iree/pm --upstream model', shows: 'the upstream gone from the running agent’s proxy' }],
  async handler({ principal, upstream: names }, context) {
    const operator = openOperator(context);
    using bundle = await openPublished(operator, principal, context);
    if (bundle === undefined) throw noBundle(principal);
    const before = rulesOf(bundle);
    const unknown = names.find((name) => name === 'matrix' || before.upstreams[name] === undefined);
    if (unknown !== undefined) {
      throw new UsageError(
        'upstream_unknown',
        `${principal} has no upstream ${JSON.stringify(unknown)} that can be taken; it has ${Object.keys(before.upstreams).join(', ')}`,
      );
    }
    const all = names.length === 0;
    if (all) await endToken(operator, bundle, context);
    const left = Object.entries(before.upstreams).filter(([name]) => (all ? name === 'matrix' : !names.includes(name)));
    const upstreams = Object.fromEntries(left);
    const files = all ? {} : before.files;
    const rules = { ...before, upstreams, ...(files === undefined ? {} : { files }), ...(all ? { egress: undefined } : {}) };
    const used = secretsUsedBy(rules);
    const secrets = new Map([...bundle.secrets].filter(([name]) => used.has(name)));
    const header = await publishBundle(operator, principal, { rules, secrets }, bundle.header.issued_at, context);
    return describeBundle(header, [...secrets.keys()], context.clock.now(), true);
  },
  render: (facts) => `revoked; what is left:\n${renderBundle(facts)}`,
});
