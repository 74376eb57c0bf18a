// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { knownTarget } from '../../authorization.ts';
import { withAccount } from '../../matrix/account.ts';
import { presence, presenceDisabled, presenceOf } from '../../matrix/presence.ts';
import { anyUserId, emptyAnswer, wellFormedText } from '../../matrix/schemas.ts';
import { defineRoute, type RouteServices } from '../../router.ts';

/** Whether a user is there, and what it says that it does. */
export const readPresence = defineRoute({
  method: 'GET',
  path: '/v1/matrix/presence',
  service: 'matrix',
  summary: 'Gives the presence of a user that shares a room, ?user=, or of the principal itself',
  grant: 'matrix/read',
  query: v.strictObject({ user: v.optional(anyUserId) }),
  output: presence,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const user = call.query.user ?? account.userId;
      services.authorization.require('matrix/read', knownTarget(user));
      return { status: 200, body: await presenceOf(account, user, nobody(services)) };
    }),
});

const wanted = v.strictObject({
  presence: v.picklist(['online', 'unavailable', 'offline']),
  /** What everybody sees who shares a room, for example what it works on; absent: nothing any more. */
  status_msg: v.optional(v.pipe(wellFormedText, v.maxLength(255, 'expected at most 255 characters'))),
});

/**
 * Says whether the principal is there, as its own account and nobody else's. Answered with what the homeserver then tells others. Everybody who
 * shares a room sees it, whatever is granted there: so it takes a grant of its own.
 */
export const writePresence = defineRoute({
  method: 'POST',
  path: '/v1/matrix/presence',
  service: 'matrix',
  summary: 'Says whether the principal is there, and what it does',
  grant: 'matrix/presence',
  body: wanted,
  output: presence,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      services.authorization.require('matrix/presence', knownTarget(account.userId));
      const { body } = call;
      await account.request(emptyAnswer, { method: 'PUT', path: ['presence', account.userId, 'status'], body, idempotent: true });
      const now = await presenceOf(account, account.userId, nobody(services));
      // A homeserver that takes what it does not keep.
      if (now.presence === 'offline' && body.presence !== 'offline') throw presenceDisabled();
      return { status: 200, body: now };
    }),
});

function nobody({ randomId }: RouteServices): string {
  return `bureau-nobody-${randomId()}`;
}
