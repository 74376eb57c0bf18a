// SPDX-License-Identifier: Apache-2.0
import { IDENTITY_STORES, migrateIdentity, readIdentitySettings } from '@bureau/sandbox';
import * as v from 'valibot';
import { requireRoot } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { identityFacts, renderIdentity } from './identity-show.ts';

/** `bureau machine identity migrate`: moves the key to another store; what runs goes on, and nothing is sealed anew. */
export const machineIdentityMigrate: AnyOperation = defineOperation({
  name: 'machine identity migrate',
  summary: 'Move the key that opens this machine’s bundles to another store',
  description:
    'Written to the new store, read back, and only then taken from the old one. The recipient stays, so every bundle stays good.',
  grant: 'machine/identity/migrate',
  input: v.strictObject({ to: v.picklist(IDENTITY_STORES) }),
  output: identityFacts,
  fields: { to: { help: 'tpm2, systemd-creds or file' } },
  positionals: ['to'],
  examples: [{ command: 'bureau machine identity migrate tpm2', shows: 'the key sealed by the TPM, and gone from where it was' }],
  async handler({ to }, context) {
    requireRoot(context);
    const { paths } = context;
    const moved = await migrateIdentity(paths.launcherStateDirectory, to, readIdentitySettings(`${paths.configDir}/identity.json`));
    using _identity = moved.identity;
    return { store: moved.store, recipient: moved.recipient, not_better: [...moved.notBetter] };
  },
  render: renderIdentity,
});
