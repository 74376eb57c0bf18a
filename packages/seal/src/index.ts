// SPDX-License-Identifier: Apache-2.0
/**
 * Credential bundles: what an operator seals, a homeserver carries and only one machine's launcher opens (design, section 6).
 *
 * @example
 * ```ts
 * import { decodeSecrets, generateIdentity, generateOperatorKey, openBundle, operatorSigner, sealBundle } from '@bureau/seal';
 *
 * const { identity, recipient } = await generateIdentity();
 * const operator = generateOperatorKey();
 * const sealed = await sealBundle({ header, secrets }, { signer: operatorSigner(operator.privatePem), recipients: [recipient] });
 * const opened = await openBundle(sealed, { identity, operators: [createPublicKey(operator.publicPem)], principal, machine, now });
 * using plain = opened.secrets;
 * decodeSecrets(plain.bytes).get('MATRIX_TOKEN');
 * ```
 */
export { generateIdentity, recipientOf } from './age-identity.ts';
export { sealBundle } from './seal-bundle.ts';
export type { BundleContent, SealOptions } from './seal-bundle.ts';
export { decodeSecrets, judgeHeader, openBundle } from './open-bundle.ts';
export type { BundleRules, OpenOptions, OpenedBundle } from './open-bundle.ts';
export { generateOperatorKey, operatorSigner, readOperatorKeys, readOperators } from './operator-keys.ts';
export type { ParsedKeys, PinnedOperator } from './operator-keys.ts';
export type { BundleRefusal } from './refusal.ts';
export { openBytes, sealBytes } from './sealed-bytes.ts';
