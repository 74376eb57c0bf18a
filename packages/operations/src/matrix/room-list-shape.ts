// SPDX-License-Identifier: Apache-2.0
import type { RoomSummary } from '@bureau/matrix';
import * as v from 'valibot';

/** A room in a list, as JSON. */
export const listedRoom = v.strictObject({
  room_id: v.string(),
  alias: v.optional(v.string()),
  name: v.optional(v.string()),
  topic: v.optional(v.string()),
});
export type ListedRoom = v.InferOutput<typeof listedRoom>;

/** A summary as JSON. */
export function listRoom({ roomId, alias, name, topic }: RoomSummary): ListedRoom {
  return {
    room_id: roomId,
    ...(alias === undefined ? {} : { alias }),
    ...(name === undefined ? {} : { name }),
    ...(topic === undefined ? {} : { topic }),
  };
}
