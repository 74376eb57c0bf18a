// SPDX-License-Identifier: Apache-2.0
import { parseRoomId, type RoomId } from '@bureau/core';
import { roomId } from '@bureau/protocol';
import * as v from 'valibot';
import { knownTarget } from '../../authorization.ts';
import { withAccount, type MatrixAccount } from '../../matrix/account.ts';
import { anyUserId, wellFormedText } from '../../matrix/schemas.ts';
import { Problem } from '../../problem.ts';
import { defineRoute } from '../../router.ts';

const joined = v.object({ joined_rooms: v.array(roomId) });
const name = v.object({ name: v.optional(v.string()) });
const canonicalAlias = v.object({ alias: v.optional(v.nullable(v.string())) });
const listed = v.object({ room_id: roomId, name: v.nullable(v.string()), alias: v.nullable(v.string()) });
type Listed = v.InferOutput<typeof listed>;

/** The rooms that the principal is in and may read, with name and alias of the first hundred. */
export const listRooms = defineRoute({
  method: 'GET',
  path: '/v1/matrix/rooms',
  service: 'matrix',
  summary: 'Lists the rooms that the principal is in',
  grant: 'matrix/read',
  output: v.object({ rooms: v.array(listed) }),
  handle: (call, services) => {
    services.authorization.requireSomewhere('matrix/read');
    return withAccount(call, services, async (account) => {
      const { joined_rooms: ids } = await account.request(joined, { method: 'GET', path: ['joined_rooms'], idempotent: true });
      const allowed: RoomId[] = [];
      for (const id of ids) if (await account.mayOn('matrix/read', parseRoomId(id))) allowed.push(parseRoomId(id));
      const described: Promise<Listed>[] = allowed.slice(0, services.limits.roomDetails).map((id) => describe(account, id));
      const others: Listed[] = allowed.slice(described.length).map((id) => ({ room_id: id, name: null, alias: null }));
      const rooms = [...(await Promise.all(described)), ...others];
      return { status: 200, body: { rooms } };
    });
  },
});

const creation = v.strictObject({
  name: v.optional(v.pipe(wellFormedText, v.maxLength(255, 'expected at most 255 characters'))),
  topic: v.optional(v.pipe(wellFormedText, v.maxLength(2_000, 'expected at most 2000 characters'))),
  /** The alias without "#" and server; operators may have reserved them. */
  alias: v.optional(v.pipe(v.string(), v.regex(/^[a-z0-9._=/-]{1,200}$/, 'expected the part of an alias between "#" and ":"'))),
  invite: v.optional(v.pipe(v.array(anyUserId), v.maxLength(50, 'expected at most 50 users')), []),
});

/** Creates an invite-only room. Not idempotent: Matrix has no transaction for it, so after a 502 or 504 look at the list first. */
export const createRoom = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms',
  service: 'matrix',
  summary: 'Creates an invite-only room and invites users to it',
  grant: 'matrix/create-room',
  body: creation,
  output: v.object({ room_id: roomId }),
  handle: (call, services) =>
    withAccount(call, services, async (account) => {
      const { alias, invite, ...described } = call.body;
      const server = account.userId.slice(account.userId.indexOf(':'));
      services.authorization.require('matrix/create-room', knownTarget(...(alias === undefined ? [] : [`#${alias}${server}`])));
      for (const user of invite) services.authorization.require('matrix/invite', knownTarget(user));
      const body = {
        ...described,
        invite,
        preset: 'private_chat',
        visibility: 'private',
        ...(alias === undefined ? {} : { room_alias_name: alias }),
      };
      const made = await account.request(v.object({ room_id: roomId }), { method: 'POST', path: ['createRoom'], body, idempotent: false });
      return { status: 200, body: { room_id: made.room_id } };
    }),
});

async function describe(account: MatrixAccount, id: RoomId): Promise<Listed> {
  const [named, aliased] = await Promise.all([
    stateOrNothing(account, name, id, 'm.room.name'),
    stateOrNothing(account, canonicalAlias, id, 'm.room.canonical_alias'),
  ]);
  return { room_id: id, name: named?.name ?? null, alias: aliased?.alias ?? null };
}

/** `undefined` when there is none, it is malformed, or the principal has left meanwhile. */
async function stateOrNothing<Schema extends v.GenericSchema>(
  account: MatrixAccount,
  schema: Schema,
  id: RoomId,
  type: string,
): Promise<v.InferOutput<Schema> | undefined> {
  try {
    return await account.request(schema, { method: 'GET', path: ['rooms', id, 'state', type, ''], idempotent: true });
  } catch (error) {
    if (error instanceof Problem && (error.status === 403 || error.status === 404 || error.code === 'upstream_malformed')) return undefined;
    throw error;
  }
}
