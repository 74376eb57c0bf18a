// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import type { HomeserverLink } from './homeserver-link.ts';
import { GAP_EVENTS_MAX } from './limits.ts';
import type { RefusedEvent, TimelineEvent } from './room-event.ts';
import { readMessagesAnswer } from './sync-answer.ts';

export interface Gap {
  readonly room: RoomId;
  /** Where the newer timeline begins. */
  readonly from: string;
  /** The position before it. */
  readonly to: string;
  readonly types: readonly string[];
}

/** Events of a gap, oldest first; `complete` is false when there were more than `GAP_EVENTS_MAX`, of which the newest are here. */
export interface FilledGap {
  readonly events: readonly TimelineEvent[];
  readonly refused: readonly RefusedEvent[];
  readonly complete: boolean;
}

/** Fetches what came between two syncs and did not fit into the second. Throws as `HomeserverLink` does. */
export async function fillGap(link: HomeserverLink, { room, from, to, types }: Gap, signal: AbortSignal): Promise<FilledGap> {
  const events: TimelineEvent[] = [];
  const refused: RefusedEvent[] = [];
  const seen = new Set<string>();
  let next: string | undefined = from;
  while (next !== undefined && !seen.has(next)) {
    if (events.length + refused.length >= GAP_EVENTS_MAX) return { events: events.toReversed(), refused, complete: false };
    // A homeserver that leads back to where we were would keep us for ever.
    seen.add(next);
    const page = readMessagesAnswer(await link.messages(room, { from: next, to, types }, signal), room);
    events.push(...page.events);
    refused.push(...page.refused);
    next = page.end;
  }
  return { events: events.toReversed(), refused, complete: true };
}
