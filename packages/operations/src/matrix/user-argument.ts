// SPDX-License-Identifier: Apache-2.0
import { MATRIX_ID_MAX_BYTES, parseServerName, parseUserId, type UserId } from '@bureau/core';
import { userId } from '@bureau/protocol';
import * as v from 'valibot';

/** A user whom we let in: an ID whose localpart is a name of ours. */
export const ourUser = userId;

/**
 * Any user whom a server may have let in: to put somebody out, the name need not be one that we would give.
 * https://spec.matrix.org/v1.16/appendices/#historical-user-ids
 */
export const anyUser: v.GenericSchema<string, UserId> = v.pipe(
  v.string(),
  v.maxLength(MATRIX_ID_MAX_BYTES),
  v.rawTransform<string, UserId>(({ dataset, addIssue, NEVER }) => {
    const text = dataset.value;
    const at = text.indexOf(':');
    try {
      if (!/^@[!-~]+:/.test(text)) return parseUserId(text);
      parseServerName(text.slice(at + 1));
      return text as UserId;
    } catch (error) {
      addIssue({ message: error instanceof Error ? error.message : 'invalid' });
      return NEVER;
    }
  }),
);
