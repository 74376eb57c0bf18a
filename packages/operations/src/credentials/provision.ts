// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, parseDuration } from '@bureau/core';
import { BUNDLE_LIFE_MAX, principalName } from '@bureau/protocol';
import * as v from 'valibot';
import { openOperator } from '../operator.ts';
import { ensurePrincipal } from '../principals.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { bundleFacts, describeBundle, renderBundle } from './describe.ts';
import { MATRIX_TOKEN, matrixUpstream, openPublished, publishBundle, rulesOf, secretsUsedBy, type BundleRules } from './published.ts';
import { readSecrets } from './secret-source.ts';
import { readServicesFile } from './services-file.ts';

/** `bureau credential provision`: gives an agent upstreams and the keys for them, sealed for this machine. */
export const credentialProvision: AnyOperation = defineOperation({
  name: 'credential provision',
  summary: 'Give an agent upstreams and their keys; the agent itself never sees one',
  description:
    'The file (JSON with comments) names upstreams and which secret goes where; the secrets come from files, stdin or the environment, never from arguments. What is given is added to what the agent has, or replaces it where the name is the same. Sealed to this machine and to the escrow key, signed, published; a running agent has the new keys at once.',
  grant: 'credential/provision',
  input: v.strictObject({
    principal: principalName,
    services: v.optional(v.string()),
    secret: v.optional(v.array(v.string()), []),
    expires: v.optional(v.string()),
    replace: v.optional(v.boolean(), false),
  }),
  output: bundleFacts,
  fields: {
    principal: { help: 'the name of the agent; its account is made when there is none' },
    services: { help: 'upstreams, files and rules, as JSON with comments', placeholder: 'FILE' },
    secret: { help: 'a secret, as NAME=file:PATH, NAME=env:VARIABLE or NAME=stdin', placeholder: 'NAME=SOURCE' },
    expires: { help: 'how long the bundle is good; default nearly a year', placeholder: 'DURATION' },
    replace: { help: 'drop every upstream and file that the services file does not name' },
  },
  positionals: ['principal'],
  examples: [
    {
      command: 'bureau credential provision iree/pm --services services.jsonc --secret MODEL_KEY=file:/root/model.key',
      shows: 'upstreams of the file with their key, beside the homeserver',
    },
  ],
  async handler(input, context) {
    const { principal } = input;
    const services = input.services === undefined ? undefined : readServicesFile(input.services);
    const life = input.expires === undefined ? undefined : parseLife(input.expires);
    using given = await readSecrets(input.secret, { input: context.input, variable: context.variable });
    if (given.bytes.has(MATRIX_TOKEN)) {
      throw new UsageError('secret_invalid', `${MATRIX_TOKEN} is made by Bureau for the agent's account; leave it out`);
    }
    const operator = openOperator(context);
    await ensurePrincipal(operator, principal, context);
    using existing = await openPublished(operator, principal, context);
    if (existing === undefined)
      throw new BureauError('no_credentials', `Expected the bundle of ${principal} in the config room, found none; run it again`);
    const before: BundleRules = input.replace ? { upstreams: matrixUpstream(operator) } : rulesOf(existing);
    const files = { ...before.files, ...services?.files };
    const rules: BundleRules = { ...before, ...services, upstreams: { ...before.upstreams, ...services?.upstreams }, files };
    const used = secretsUsedBy(rules);
    const spare = [...given.bytes.keys()].find((name) => !used.has(name));
    if (spare !== undefined)
      throw new UsageError('secret_invalid', `Nothing uses secret ${spare}: name it in an upstream or in "files" of the services file`);
    const secrets = new Map([...existing.secrets, ...given.bytes].filter(([name]) => used.has(name)));
    const header = await publishBundle(operator, principal, { rules, secrets, life }, existing.header.issued_at, context);
    return describeBundle(header, [...secrets.keys()], context.clock.now(), true);
  },
  render: renderBundle,
});

function parseLife(text: string): number {
  const life = parseDuration(text);
  if (life > 0 && life <= BUNDLE_LIFE_MAX) return life;
  throw new UsageError(
    'invalid_duration',
    `Cannot let a bundle live ${text}: expected more than nothing and at most ${BUNDLE_LIFE_MAX / 86_400_000}d`,
  );
}
