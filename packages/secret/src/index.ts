// SPDX-License-Identifier: Apache-2.0
/**
 * Secret bytes: never a string, never shown, zeroed when done.
 *
 * @example
 * ```ts
 * import { SecretBytes } from '@bureau/secret';
 *
 * using token = SecretBytes.from(Buffer.from('never a literal in real code'));
 * `${token}`; // '[secret]'
 * token.bytes.length; // 28
 * ```
 */
export { SecretBytes } from './secret-bytes.ts';
