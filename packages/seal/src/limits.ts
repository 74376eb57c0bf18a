// SPDX-License-Identifier: Apache-2.0

/**
 * Bytes of an age file's header. Each recipient takes about 100 and costs a scalar multiplication; the few that we seal to need under
 * 500, and a stranger's thousands would keep the launcher busy.
 */
export const AGE_HEADER_MAX_BYTES = 4_096;
/** Recipients of one bundle: machine, escrow, and one more of each while they are being replaced. */
export const RECIPIENTS_MAX = 8;
/** Secrets in one bundle; the header's injections need far fewer. */
export const SECRETS_MAX_COUNT = 256;
/** Bytes of one key's name in a map: `signature`, or a secret's name of 64. */
export const KEY_MAX_BYTES = 64;
/** Pinned operators on one machine. */
export const OPERATORS_MAX = 64;
/** Bytes of an operator's public key in PEM: 113, with room for a comment above it. */
export const OPERATOR_FILE_MAX_BYTES = 4_096;
