// SPDX-License-Identifier: Apache-2.0
import { describeError, hasCode, type RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { fillGap } from './gap.ts';
import type { HomeserverLink } from './homeserver-link.ts';
import type { RefusedEvents } from './refused-events.ts';
import type { TimelineEvent } from './room-event.ts';
import type { RoomNews } from './sync-answer.ts';

/** Who wants events of timelines. */
export interface TimelineReader {
  readonly types: readonly string[];
  /**
   * Takes others' events, each room's in order; those that came while the daemon was away as well. The position is saved after it
   * resolved, so after a crash the same events may come again. What it throws is told, and the sync goes on.
   */
  readonly take: (room: RoomId, events: readonly TimelineEvent[]) => Promise<void>;
}

export interface TimelineDeliveryDeps {
  readonly link: HomeserverLink;
  readonly logger: Logger;
  readonly refused: RefusedEvents;
  readonly signal: AbortSignal;
  /** Whose events are an echo. */
  readonly userId: string;
  readonly reader: TimelineReader | undefined;
}

/** Hands events of timelines on, with those of the gap before them, and without the machine's own. */
export class TimelineDelivery {
  readonly #deps: TimelineDeliveryDeps;

  constructor(deps: TimelineDeliveryDeps) {
    this.#deps = deps;
  }

  get types(): readonly string[] {
    return this.#deps.reader?.types ?? [];
  }

  /** Delivers what a sync brought of one room since `since`. Throws when the homeserver went away while a gap was fetched. */
  async deliver(news: RoomNews, since: string): Promise<void> {
    const { reader, userId, logger } = this.#deps;
    if (reader === undefined) return;
    const seen = new Set<string>();
    const events = [...(await this.#missed(news, since, reader)), ...news.timeline].filter(({ type, sender, eventId }) => {
      if (sender === userId || !reader.types.includes(type) || seen.has(eventId)) return false;
      return seen.add(eventId);
    });
    if (events.length === 0) return;
    try {
      await reader.take(news.room, events);
    } catch (error) {
      logger.error({ room: news.room, error: describeError(error) }, 'events of a room could not be taken; the sync goes on');
    }
  }

  /** Events of the gap; none when the homeserver will not say them. */
  async #missed({ room, gapFrom }: RoomNews, since: string, { types }: TimelineReader): Promise<readonly TimelineEvent[]> {
    if (gapFrom === undefined) return [];
    const { link, logger, refused, signal } = this.#deps;
    try {
      const gap = await fillGap(link, { room, from: gapFrom, to: since, types }, signal);
      refused.add(gap.refused);
      if (!gap.complete) logger.warn({ room, events: gap.events.length }, 'more events came than are fetched; the oldest are left out');
      return gap.events;
    } catch (error) {
      if (!hasCode(error, 'matrix_refused') && !hasCode(error, 'homeserver_garbled')) throw error;
      logger.error({ room, error: describeError(error) }, 'what came between two syncs cannot be fetched; the sync goes on');
      return [];
    }
  }
}
