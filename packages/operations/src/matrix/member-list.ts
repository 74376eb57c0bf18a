// SPDX-License-Identifier: Apache-2.0
import type { Member } from '@bureau/matrix';
import * as v from 'valibot';
import type { OperationContext } from '../registry/context.ts';
import { readRoomState, resolveRoom } from './room-argument.ts';
import { openSession, type SessionInput } from './session.ts';
import { textTable } from './text-table.ts';

/** The members of a room or a space, as JSON. */
export const memberList = v.array(v.strictObject({ user_id: v.string(), display_name: v.optional(v.string()), membership: v.string() }));
export type MemberList = v.InferOutput<typeof memberList>;

/** Who is in, invited, knocking or banned, by name; who has left is not listed. */
export async function listMembers(room: string, input: SessionInput, context: OperationContext): Promise<MemberList> {
  const session = await openSession(input, context);
  const roomId = await resolveRoom(session, room, context.signal);
  await readRoomState(session, roomId, context.signal);
  const members = await session.client.members(roomId, { signal: context.signal });
  return members
    .filter(({ membership }) => membership !== 'leave')
    .toSorted(byUser)
    .map(({ userId, displayName, membership }) => ({
      user_id: userId,
      ...(displayName === undefined ? {} : { display_name: displayName }),
      membership,
    }));
}

/** As a table. */
export function renderMembers(members: MemberList): string {
  return textTable(
    ['USER ID', 'DISPLAY NAME', 'MEMBERSHIP'],
    members.map(({ user_id, display_name, membership }) => [user_id, display_name ?? '', membership]),
    'no members',
  );
}

function byUser(a: Member, b: Member): number {
  return a.userId < b.userId ? -1 : 1;
}
