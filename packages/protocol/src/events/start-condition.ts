// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { contentMatch } from '../content-match.ts';
import { roomId, text, userId } from '../scalars.ts';

/**
 * A state event that must be there, and look like this, before a principal is started. Rooms are named by ID: an alias may be moved to a room
 * of somebody else's at any time, so whoever writes the assignment resolves it once and the ID is what counts.
 */
export const startCondition = v.object({
  room: v.pipe(
    v.string(),
    v.check(
      (room) => !room.startsWith('#'),
      'expected a room ID ("!…"): an alias may be moved to another room; "bureau agent deploy --when" resolves one and writes the ID',
    ),
    roomId,
  ),
  /** The alias that was resolved to `room`; for people, nobody resolves it again. */
  alias: v.optional(text(255)),
  type: v.pipe(text(255), v.minLength(1)),
  stateKey: v.optional(text(255), ''),
  /** Who must have sent it; absent: whoever the room lets. */
  sender: v.optional(userId),
  match: v.optional(contentMatch, {}),
});
export type StartCondition = v.InferOutput<typeof startCondition>;
