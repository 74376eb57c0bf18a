// SPDX-License-Identifier: Apache-2.0
import type { RoomId, UserId } from '@bureau/core';
import type { MatrixClient } from './client.ts';
import type { CallOptions } from './http.ts';

/**
 * Brings `user` into a room: invited by `inviter` unless in or invited already, joined when `member` (the user's own client) is given.
 * `member` accepts this one room, never every invitation.
 */
export async function ensureMember(
  room: RoomId,
  user: UserId,
  clients: { readonly inviter: MatrixClient; readonly member?: MatrixClient },
  options: CallOptions = {},
): Promise<'joined' | 'invited'> {
  const membership = (await clients.inviter.state(room, 'm.room.member', user, options))?.['membership'];
  if (membership === 'join') return 'joined';
  if (membership !== 'invite') await clients.inviter.invite(room, user, options);
  if (clients.member === undefined) return 'invited';
  await clients.member.join(room, options);
  return 'joined';
}
