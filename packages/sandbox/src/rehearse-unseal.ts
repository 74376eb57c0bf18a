// SPDX-License-Identifier: Apache-2.0
import { openBytes, recipientOf, sealBytes } from '@bureau/seal';
import type { SecretBytes } from '@bureau/secret';

/** Seals nothing to the machine itself and opens it again, so that the first real bundle is opened by code that is compiled. */
export async function rehearseUnseal(identity: SecretBytes): Promise<void> {
  await openBytes(await sealBytes(new Uint8Array(0), [await recipientOf(identity)]), identity);
}
