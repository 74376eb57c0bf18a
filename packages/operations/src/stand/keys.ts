// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readBounded, writeFileAtomic } from '@bureau/files';
import { generateIdentity, generateOperatorKey } from '@bureau/seal';
import type { OperationContext } from '../registry/context.ts';
import type { StepResult } from './steps.ts';

const KEY_FILE_MAX_BYTES = 4_096;

/**
 * The operator's signing key (0600), its public half pinned for the launcher, and the escrow key that every bundle is also sealed to.
 * Keep a copy of the escrow key elsewhere: with it keys are recovered when this machine's own is lost.
 */
export async function ensureKeys({ paths }: OperationContext): Promise<StepResult> {
  let made = false;
  if (!existsSync(paths.operatorKeyFile)) {
    using key = generateOperatorKey().privatePem;
    writeFileAtomic(paths.operatorKeyFile, key.bytes, { mode: 0o600 });
    made = true;
  }
  const pinned = `${paths.operatorsDirectory}/local.pub`;
  if (!existsSync(pinned)) {
    const pem = readBounded(paths.operatorKeyFile, KEY_FILE_MAX_BYTES);
    const publicPem = createPublicKey(createPrivateKey({ key: pem, format: 'pem' }))
      .export({ format: 'pem', type: 'spki' })
      .toString();
    pem.fill(0);
    writeFileAtomic(pinned, publicPem, { mode: 0o644 });
    made = true;
  }
  if (!existsSync(paths.escrowKeyFile)) {
    const { identity } = await generateIdentity();
    using escrow = identity;
    writeFileAtomic(paths.escrowKeyFile, escrow.bytes, { mode: 0o600 });
    made = true;
  }
  return { outcome: made ? 'done' : 'there', message: `operator key ${paths.operatorKeyFile}, escrow key ${paths.escrowKeyFile}` };
}
