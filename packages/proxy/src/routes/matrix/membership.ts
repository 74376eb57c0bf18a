// SPDX-License-Identifier: Apache-2.0
import { roomId } from '@bureau/protocol';
import * as v from 'valibot';
import { knownTarget } from '../../authorization.ts';
import { withAccount } from '../../matrix/account.ts';
import { anyUserId, emptyAnswer } from '../../matrix/schemas.ts';
import { defineRoute } from '../../router.ts';

const room = v.object({ room_id: roomId });

/** Joins a room that the principal has been invited to. Joining again changes nothing. */
export const joinRoom = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms/{room}/join',
  service: 'matrix',
  summary: 'Joins a room',
  grant: 'matrix/join',
  output: room,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const id = await account.permittedRoom('matrix/join', call.params['room'] ?? '');
      const joined = await account.request(room, { method: 'POST', path: ['rooms', id, 'join'], body: {}, idempotent: true });
      return { status: 200, body: { room_id: joined.room_id } };
    }),
});

/** Leaves a room, or declines an invitation to it. */
export const leaveRoom = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms/{room}/leave',
  service: 'matrix',
  summary: 'Leaves a room, or declines an invitation to it',
  grant: 'matrix/leave',
  output: emptyAnswer,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const id = await account.permittedRoom('matrix/leave', call.params['room'] ?? '');
      await account.request(emptyAnswer, { method: 'POST', path: ['rooms', id, 'leave'], body: {}, idempotent: true });
      return { status: 200, body: {} };
    }),
});

/** Invites a user; the grant must cover the room and the user. */
export const inviteToRoom = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms/{room}/invite',
  service: 'matrix',
  summary: 'Invites a user to a room',
  grant: 'matrix/invite',
  body: v.strictObject({ user_id: anyUserId }),
  output: emptyAnswer,
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const id = await account.permittedRoom('matrix/invite', call.params['room'] ?? '');
      services.authorization.require('matrix/invite', knownTarget(call.body.user_id));
      await account.request(emptyAnswer, {
        method: 'POST',
        path: ['rooms', id, 'invite'],
        body: { user_id: call.body.user_id },
        idempotent: false,
      });
      return { status: 200, body: {} };
    }),
});

const member = v.object({
  user_id: v.string(),
  membership: v.string(),
  display_name: v.nullable(v.string()),
});
const members = v.object({
  chunk: v.array(
    v.object({
      state_key: v.string(),
      content: v.looseObject({ membership: v.string(), displayname: v.optional(v.nullable(v.string())) }),
    }),
  ),
});

/** Who is in a room, and who is invited. */
export const listMembers = defineRoute({
  method: 'GET',
  path: '/v1/matrix/rooms/{room}/members',
  service: 'matrix',
  summary: 'Lists the members of a room, invited ones included',
  grant: 'matrix/read',
  output: v.object({ members: v.array(member) }),
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const id = await account.permittedRoom('matrix/read', call.params['room'] ?? '');
      const answer = await account.request(members, {
        method: 'GET',
        path: ['rooms', id, 'members'],
        query: { not_membership: 'leave' },
        idempotent: true,
      });
      const list = answer.chunk
        .filter(({ content }) => content.membership === 'join' || content.membership === 'invite')
        .map(({ state_key, content }) => ({
          user_id: state_key,
          membership: content.membership,
          display_name: content.displayname ?? null,
        }));
      return { status: 200, body: { members: list } };
    }),
});
