// SPDX-License-Identifier: Apache-2.0
import { childIsLinked, roomSummaries } from '@bureau/matrix';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { readRoomState, resolveRoom, roomArgument } from './room-argument.ts';
import { listRoom, listedRoom, type ListedRoom } from './room-list-shape.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';
import { textTable } from './text-table.ts';

/** `bureau matrix room list`. */
export const matrixRoomList: AnyOperation = defineOperation({
  name: 'matrix room list',
  summary: 'List the rooms that the operator is in, or those of one space',
  description:
    'With --space: every room and space that hangs right below it; of one that the operator is not in only the room ID is known.',
  grant: 'matrix/room/list',
  input: v.strictObject({ space: v.optional(roomArgument), ...SESSION_ENTRIES }),
  output: v.array(listedRoom),
  fields: { space: { help: 'the space: "!id", "#alias:server", or an alias such as iree', placeholder: 'SPACE' }, ...SESSION_FIELDS },
  positionals: [],
  examples: [{ command: "bureau matrix room list --space '#iree:bureau.local'", shows: 'the rooms of a project' }],
  async handler({ space, ...input }, context): Promise<ListedRoom[]> {
    const { signal } = context;
    const session = await openSession(input, context);
    const joined = await roomSummaries(session.client, { signal });
    if (space === undefined) return joined.filter((room) => !room.space).map(listRoom);
    const state = await readRoomState(session, await resolveRoom(session, space, signal), signal);
    const children = new Set(
      state.filter(({ type, content }) => type === 'm.space.child' && childIsLinked(content)).map((event) => event.state_key),
    );
    const known = joined.filter(({ roomId }) => children.delete(roomId)).map(listRoom);
    return [...known, ...[...children].toSorted().map((id) => ({ room_id: id }))];
  },
  render: (rooms) =>
    textTable(
      ['ROOM ID', 'ALIAS', 'NAME', 'TOPIC'],
      rooms.map(({ room_id, alias, name, topic }) => [room_id, alias ?? '', name ?? '', topic ?? '']),
      'no rooms',
    ),
});
