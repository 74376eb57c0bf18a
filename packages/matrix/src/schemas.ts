// SPDX-License-Identifier: Apache-2.0
import { BureauError, parseRoomId, type RoomId } from '@bureau/core';
import * as v from 'valibot';

// Answers of the client-server API, only what we use; https://spec.matrix.org/v1.16/client-server-api/

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(255));
const content = v.record(v.string(), v.unknown());

export const roomIdSchema = v.pipe(
  v.string(),
  v.rawTransform<string, RoomId>(({ dataset, addIssue, NEVER }) => {
    try {
      return parseRoomId(dataset.value);
    } catch {
      addIssue({ message: 'expected a room ID' });
      return NEVER;
    }
  }),
);

export const whoamiAnswer = v.object({ user_id: id, device_id: v.optional(id) });
export const sessionAnswer = v.object({ user_id: id, access_token: v.pipe(v.string(), v.minLength(1), v.maxLength(4_096)), device_id: id });
export const authenticationAnswer = v.object({
  session: v.optional(v.string()),
  flows: v.array(v.object({ stages: v.array(v.string()) })),
  completed: v.optional(v.array(v.string()), []),
  errcode: v.optional(v.string()),
});
export const roomAnswer = v.object({ room_id: roomIdSchema });
export const eventAnswer = v.object({ event_id: id });
export const aliasAnswer = v.object({ room_id: roomIdSchema, servers: v.optional(v.array(v.string()), []) });
export const capabilitiesAnswer = v.object({
  capabilities: v.object({ 'm.room_versions': v.optional(v.object({ default: v.string(), available: v.record(v.string(), v.string()) })) }),
});
export const versionsAnswer = v.object({ versions: v.array(v.string()) });
export const joinedRoomsAnswer = v.object({ joined_rooms: v.array(roomIdSchema) });

/** A state event as servers hand it out. */
export const stateEvent = v.object({ type: v.string(), state_key: v.string(), sender: id, content, event_id: v.optional(id) });
export type StateEvent = v.InferOutput<typeof stateEvent>;
export const stateAnswer = v.object({ list: v.array(stateEvent) });
export const contextAnswer = v.object({ state: v.optional(v.array(stateEvent), []) });

/** An event of a room's timeline. */
export const roomEvent = v.object({
  type: v.string(),
  sender: id,
  content,
  event_id: id,
  origin_server_ts: v.number(),
  state_key: v.optional(v.string()),
});
export type RoomEvent = v.InferOutput<typeof roomEvent>;
export const messagesAnswer = v.object({ start: v.string(), end: v.optional(v.string()), chunk: v.array(roomEvent) });
export const relationsAnswer = v.object({
  chunk: v.array(roomEvent),
  next_batch: v.optional(v.string()),
  prev_batch: v.optional(v.string()),
});
export const membersAnswer = v.object({
  chunk: v.array(
    v.object({ state_key: id, content: v.looseObject({ membership: v.string(), displayname: v.optional(v.nullable(v.string())) }) }),
  ),
});
/** One sync; rooms are handed on as the server sent them. */
export const syncAnswer = v.looseObject({ next_batch: v.string() });
export type SyncAnswer = v.InferOutput<typeof syncAnswer>;

/** The answer in the shape of `schema`. Throws `matrix_response_malformed` that names the field, not its value. */
export function readAnswer<Schema extends v.GenericSchema>(schema: Schema, answer: unknown, what: string): v.InferOutput<Schema> {
  const result = v.safeParse(schema, answer);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const field = v.getDotPath(issue) ?? 'the answer';
  throw new BureauError(
    'matrix_response_malformed',
    `Expected ${issue.expected ?? 'another value'} in ${field} of the homeserver's answer to ${what}`,
    { data: { what, field } },
  );
}
