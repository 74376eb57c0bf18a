// SPDX-License-Identifier: Apache-2.0
import { roomId } from '@bureau/protocol';
import * as v from 'valibot';
import { knownTarget } from '../../authorization.ts';
import { parseRoom, withAccount } from '../../matrix/account.ts';
import { anyUserId } from '../../matrix/schemas.ts';
import { Problem } from '../../problem.ts';
import { defineRoute } from '../../router.ts';

const whoami = v.object({ user_id: v.string(), device_id: v.optional(v.nullable(v.string())) });

/** The account, as the homeserver sees it: says as well whether its key still works. */
export const readAccount = defineRoute({
  method: 'GET',
  path: '/v1/matrix/account',
  service: 'matrix',
  summary: "Says which account and device the homeserver takes the principal's key for",
  output: whoami,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const answer = await account.request(whoami, { method: 'GET', path: ['account', 'whoami'], idempotent: true });
      return { status: 200, body: { user_id: answer.user_id, device_id: answer.device_id ?? null } };
    }),
});

/** The room that an alias leads to now. */
export const resolveAlias = defineRoute({
  method: 'GET',
  path: '/v1/matrix/aliases/{alias}',
  service: 'matrix',
  summary: 'Gives the room that an alias leads to',
  grant: 'matrix/read',
  output: v.object({ room_id: roomId }),
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const alias = call.params['alias'] ?? '';
      const room = parseRoom(alias);
      if (room.startsWith('!'))
        throw new Problem(400, 'invalid_room', 'Expected a room alias ("#name:server"), percent-encoded, found a room ID.');
      return { status: 200, body: { room_id: await account.permittedRoom('matrix/read', alias) } };
    }),
});

const profile = v.object({ displayname: v.optional(v.nullable(v.string())), avatar_url: v.optional(v.nullable(v.string())) });

/** How a user calls itself. */
export const readProfile = defineRoute({
  method: 'GET',
  path: '/v1/matrix/users/{user}/profile',
  service: 'matrix',
  summary: 'Gives the display name of a user',
  grant: 'matrix/read',
  output: v.object({ display_name: v.nullable(v.string()), avatar_url: v.nullable(v.string()) }),
  handle: (call, services) => {
    const user = userOf(call.params['user'] ?? '');
    services.authorization.require('matrix/read', knownTarget(user));
    return withAccount(call, services, async (account) => {
      const answer = await account.request(profile, { method: 'GET', path: ['profile', user], idempotent: true });
      return { status: 200, body: { display_name: answer.displayname ?? null, avatar_url: answer.avatar_url ?? null } };
    });
  },
});

/** How a user calls itself, and nothing else. */
export const readDisplayName = defineRoute({
  method: 'GET',
  path: '/v1/matrix/display-name',
  service: 'matrix',
  summary: 'Gives the display name of a user, ?user=, or of the principal itself',
  grant: 'matrix/read',
  query: v.strictObject({ user: v.optional(anyUserId) }),
  output: v.object({ display_name: v.nullable(v.string()) }),
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const user = call.query.user ?? account.userId;
      services.authorization.require('matrix/read', knownTarget(user));
      const { displayname } = await account.request(profile, { method: 'GET', path: ['profile', user, 'displayname'], idempotent: true });
      return { status: 200, body: { display_name: displayname ?? null } };
    }),
});

function userOf(text: string): string {
  if (v.is(anyUserId, text)) return text;
  throw new Problem(400, 'invalid_user', 'Expected a user ID ("@name:server"), percent-encoded, behind "users/".');
}
