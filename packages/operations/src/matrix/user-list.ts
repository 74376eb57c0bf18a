// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ROOM_HELP, resolveRoom, roomArgument } from './room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';
import { textTable } from './text-table.ts';

/** `bureau matrix user list`. */
export const matrixUserList: AnyOperation = defineOperation({
  name: 'matrix user list',
  summary: 'List the users of a room, or of all rooms that the operator is in',
  description: 'An account that is in none of these rooms is not listed: homeservers tell only their administrators of it.',
  grant: 'matrix/user/list',
  input: v.strictObject({ room: v.optional(roomArgument), ...SESSION_ENTRIES }),
  output: v.array(v.strictObject({ user_id: v.string(), display_name: v.optional(v.string()) })),
  fields: { room: { help: `${ROOM_HELP}; default: all`, placeholder: 'ROOM' }, ...SESSION_FIELDS },
  positionals: [],
  examples: [{ command: "bureau matrix user list --room '#bureau/agents:bureau.local'", shows: 'who is in the agents room' }],
  async handler({ room, ...input }, context) {
    const { signal } = context;
    const session = await openSession(input, context);
    const rooms = room === undefined ? await session.client.joinedRooms({ signal }) : [await resolveRoom(session, room, signal)];
    const users = new Map<string, string | undefined>();
    // One room after the other: a loopback server answers in milliseconds, and a far one is not to be flooded.
    for (const each of rooms)
      for (const { userId, membership, displayName } of await session.client.members(each, { signal }))
        if (membership === 'join') users.set(userId, users.get(userId) ?? displayName);
    return [...users.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([userId, displayName]) => ({ user_id: userId, ...(displayName === undefined ? {} : { display_name: displayName }) }));
  },
  render: (users) =>
    textTable(
      ['USER ID', 'DISPLAY NAME'],
      users.map(({ user_id, display_name }) => [user_id, display_name ?? '']),
      'no users',
    ),
});
