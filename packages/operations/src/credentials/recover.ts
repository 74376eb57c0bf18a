// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { UsageError } from '@bureau/core';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { principalName } from '@bureau/protocol';
import { readOperatorKeys } from '@bureau/seal';
import * as v from 'valibot';
import { openOperator } from '../operator.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { bundleFacts, describeBundle, renderBundle } from './describe.ts';
import { readIdentityFile } from './keys.ts';
import { openPublished, publishBundle, rulesOf } from './published.ts';
import { noBundle } from './show.ts';

const PEM_MAX_BYTES = 4_096;

/** `bureau credential recover`: what only the escrow key can still open, when the machine's own key or the operator's is lost. */
export const credentialRecover: AnyOperation = defineOperation({
  name: 'credential recover',
  summary: 'Open an agent’s bundle with the escrow key: seal it anew for this machine, or write its secrets to a file',
  description:
    'For the day on which the machine’s identity is gone (a broken TPM, a lost disk). Without --output the bundle is signed by this machine’s operator and sealed to this machine’s present key. With --output its secrets are written there (0600, JSON, base64), and nothing is published.',
  grant: 'credential/recover',
  input: v.strictObject({
    principal: principalName,
    escrow: v.optional(v.string()),
    operator: v.optional(v.string()),
    output: v.optional(v.string()),
  }),
  output: bundleFacts,
  fields: {
    principal: { help: 'the name of the agent' },
    escrow: { help: 'the escrow identity (AGE-SECRET-KEY-1…); default the one of this machine', placeholder: 'FILE' },
    operator: { help: 'the public key (PEM) of the operator who signed it; default all that this machine has pinned', placeholder: 'FILE' },
    output: { help: 'write the secrets to this new file instead of publishing', placeholder: 'FILE' },
  },
  positionals: ['principal'],
  examples: [
    {
      command: 'bureau credential recover iree/pm --escrow /media/usb/escrow.key',
      shows: 'the bundle sealed anew to this machine’s present key',
    },
  ],
  async handler(input, context) {
    const { principal } = input;
    if (input.output !== undefined && existsSync(input.output)) {
      throw new UsageError('file_exists', `Refused to write secrets over ${input.output}; name a file that is not there`);
    }
    const operator = openOperator(context);
    using identity = readIdentityFile(input.escrow ?? context.paths.escrowKeyFile);
    const operators =
      input.operator === undefined
        ? readOperatorKeys(context.paths.operatorsDirectory)
        : [createPublicKey(readBounded(input.operator, PEM_MAX_BYTES))];
    using bundle = await openPublished(operator, principal, context, { identity, operators });
    if (bundle === undefined) throw noBundle(principal);
    const names = [...bundle.secrets.keys()];
    const sealed = bundle.recipients.includes(operator.machine.recipient);
    if (input.output === undefined) {
      const header = await publishBundle(
        operator,
        principal,
        { rules: rulesOf(bundle), secrets: bundle.secrets },
        bundle.header.issued_at,
        context,
      );
      return describeBundle(header, names, context.clock.now(), true);
    }
    const secrets = Object.fromEntries([...bundle.secrets].map(([name, bytes]) => [name, bytes.toString('base64')]));
    writeFileAtomic(input.output, `${JSON.stringify({ v: 1, principal, secrets }, undefined, 2)}\n`, { mode: 0o600 });
    return describeBundle(bundle.header, names, context.clock.now(), sealed);
  },
  render: renderBundle,
});
