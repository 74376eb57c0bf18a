// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { authorizationList, authorizationRule } from '../authorization.ts';
import { principalName, text, timestamp, userId } from '../scalars.ts';

/** m.bureau.authorization: what holds for every principal of this machine, beside what its assignment says. Denials win over both. */
export const authorizationContent = v.object({ v: v.literal(1), ...authorizationList.entries });

/** m.bureau.temporal_grant: a grant that ends by itself. */
export const temporalGrantContent = v.object({
  v: v.literal(1),
  principal: principalName,
  grant: authorizationRule,
  /** From then on it is as if it were not there, whatever the clock of a token says. */
  expiresAt: timestamp,
  /** Why, for the audit: a ticket, a sentence. */
  reason: text(500),
});

/** m.bureau.audit: one decision that somebody may have to look up. */
export const auditContent = v.object({
  v: v.literal(1),
  at: timestamp,
  who: v.union([userId, text(100)]),
  what: text(100),
  target: v.optional(text(255)),
  result: v.picklist(['ok', 'refused', 'failed']),
  reason: v.optional(text(500)),
  traceId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
});
