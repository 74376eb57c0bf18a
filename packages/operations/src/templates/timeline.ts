// SPDX-License-Identifier: Apache-2.0
import { hasCode, type RoomId } from '@bureau/core';
import type { RoomEvent } from '@bureau/matrix';
import { EVENT_TYPES } from '@bureau/protocol';
import { notInRoom } from '../matrix/room-argument.ts';
import type { Session } from '../matrix/session.ts';
import { HISTORY_PAGES_MAX } from './limits.ts';

/** Events of one page: what servers give at most. */
const PAGE = 100;

/** The newest events of one template, the newest first; `more` when there are others further back. */
export async function templateEvents(
  session: Session,
  room: RoomId,
  name: string,
  limit: number,
  signal: AbortSignal,
): Promise<{ readonly events: readonly RoomEvent[]; readonly more: boolean }> {
  const events: RoomEvent[] = [];
  let from: string | undefined;
  for (let page = 0; page < HISTORY_PAGES_MAX; page += 1) {
    const filter = { types: [EVENT_TYPES.template] };
    let found: Awaited<ReturnType<typeof session.client.messages>>;
    try {
      const query = { limit: PAGE, direction: 'backward' as const, filter, ...(from === undefined ? {} : { from }) };
      found = await session.client.messages(room, query, { signal });
    } catch (error) {
      throw hasCode(error, 'matrix_forbidden') ? notInRoom(session, room, error) : error;
    }
    events.push(...found.events.filter(({ type, state_key: key }) => type === EVENT_TYPES.template && key === name));
    if (events.length > limit) return { events: events.slice(0, limit), more: true };
    if (found.end === undefined || found.events.length === 0) return { events, more: false };
    from = found.end;
  }
  return { events, more: true };
}
