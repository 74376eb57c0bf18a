// SPDX-License-Identifier: Apache-2.0
import { roomSummaries } from '@bureau/matrix';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { listRoom, listedRoom } from './room-list-shape.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from './session.ts';
import { textTable } from './text-table.ts';

/** `bureau matrix space list`. */
export const matrixSpaceList: AnyOperation = defineOperation({
  name: 'matrix space list',
  summary: 'List the spaces that the operator is in',
  grant: 'matrix/space/list',
  input: v.strictObject(SESSION_ENTRIES),
  output: v.array(listedRoom),
  fields: SESSION_FIELDS,
  positionals: [],
  examples: [{ command: 'bureau matrix space list --json', shows: 'every space with its room ID, alias and name' }],
  async handler(input, context) {
    const { client } = await openSession(input, context);
    return (await roomSummaries(client, { signal: context.signal })).filter(({ space }) => space).map(listRoom);
  },
  render: (spaces) =>
    textTable(
      ['ROOM ID', 'ALIAS', 'NAME'],
      spaces.map(({ room_id, alias, name }) => [room_id, alias ?? '', name ?? '']),
      'no spaces',
    ),
});
