// SPDX-License-Identifier: Apache-2.0
import { openMachineIdentity, readIdentitySettings } from '@bureau/sandbox';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';

/** What the commands about the machine's identity answer. */
export const identityFacts = v.strictObject({
  store: v.string(),
  recipient: v.string(),
  /** Better stores, and why they are not used. */
  not_better: v.array(v.string()),
});

/** A line for the store, one for each better one. */
export function renderIdentity({ store, recipient, not_better: reasons }: v.InferOutput<typeof identityFacts>): string {
  return [`${recipient} in ${store}`, ...reasons.map((reason) => `  not in ${reason}`)].join('\n');
}

/** `bureau machine identity show`: where the key lies that opens this machine's bundles; opens it, to be sure. */
export const machineIdentityShow: AnyOperation = defineOperation({
  name: 'machine identity show',
  summary: 'Show where this machine keeps the key that opens its bundles, and why nowhere better',
  grant: 'machine/identity/show',
  input: v.strictObject({}),
  output: identityFacts,
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau machine identity show', shows: 'tpm2, systemd-creds or file, with the recipient' }],
  async handler(_input, context) {
    requireRoot(context);
    const { paths } = context;
    const found = await openMachineIdentity(paths.launcherStateDirectory, readIdentitySettings(`${paths.configDir}/identity.json`));
    using _identity = found.identity;
    return { store: found.store, recipient: found.recipient, not_better: [...found.notBetter] };
  },
  render: renderIdentity,
});
