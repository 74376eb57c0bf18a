// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { parseMachineName, parsePrincipalName, parseUserId } from '@bureau/core';
import type { BundleHeader } from '@bureau/protocol';
import type { SecretBytes } from '@bureau/secret';
import { generateIdentity } from './age-identity.ts';
import { encodeBinMap } from './bin-map.ts';
import type { BundleRules } from './open-bundle.ts';
import { generateOperatorKey, operatorSigner } from './operator-keys.ts';
import { signedBytes } from './signed-bytes.ts';

/** The moment at which tests open bundles. */
export const NOW = 1_800_000_000_000;

/** A header that is good at {@link NOW}. */
export const goodHeader: BundleHeader = {
  v: 1,
  principal: parsePrincipalName('iree/amdgpu/pm'),
  machine: parseMachineName('machine/workstation'),
  user_id: parseUserId('@iree/amdgpu/pm:bureau.local'),
  issued_at: NOW - 1_000,
  expires_at: NOW + 86_400_000,
  upstreams: { matrix: { url: 'http://127.0.0.1:6167', inject: [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }] } },
};

/** Fresh each time: whoever opens or seals may zero it. */
export function goodSecrets(): Map<string, Uint8Array> {
  return new Map([['MATRIX_TOKEN', Buffer.from('hunter2-hunter2-hunter2')]]);
}

/** An operator, a machine, and what the machine accepts. */
export interface StandIn {
  readonly signer: KeyObject;
  readonly identity: SecretBytes;
  readonly recipient: string;
  readonly rules: BundleRules;
}

/** Makes fresh keys. */
export async function standIn(): Promise<StandIn> {
  const { privatePem, publicPem } = generateOperatorKey();
  const { identity, recipient } = await generateIdentity();
  const rules = { operators: [createPublicKey(publicPem)], principal: goodHeader.principal, machine: goodHeader.machine, now: NOW };
  return { signer: operatorSigner(privatePem), identity, recipient, rules };
}

/** What lies inside an age file, signed, with any header and any secrets, good or not. */
export function plaintext(signer: KeyObject, header: unknown, secrets: Uint8Array = encodeBinMap(goodSecrets())): Buffer {
  const headerBytes = header instanceof Uint8Array ? header : Buffer.from(JSON.stringify(header));
  return encodeBinMap([
    ['header', headerBytes],
    ['secrets', secrets],
    ['signature', sign(null, signedBytes(headerBytes, secrets), signer)],
  ]);
}
