// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { REFUSED_KEPT } from './limits.ts';
import type { RefusedEvent } from './room-event.ts';

/** Events that could not be read: each is told once, the newest are kept for whoever looks, and the rest is counted. */
export class RefusedEvents {
  readonly #logger: Logger;
  readonly #kept = new Map<string, RefusedEvent>();
  #count = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** How many there were since the start. */
  get count(): number {
    return this.#count;
  }

  /** The newest, oldest first. */
  get newest(): readonly RefusedEvent[] {
    return [...this.#kept.values()];
  }

  /** Adds what a room holds beyond the state that a machine keeps, if anything. */
  addSurplus(room: RoomId, count: number): void {
    if (count > 0) this.add([{ room, eventId: '?', reason: 'there is more state than a machine keeps' }]);
  }

  add(events: readonly RefusedEvent[]): void {
    for (const event of events) {
      const key = JSON.stringify([event.room, event.eventId, event.reason]);
      if (this.#kept.has(key)) continue;
      this.#kept.set(key, event);
      this.#count += 1;
      this.#logger.warn({ room: event.room, event: event.eventId, reason: event.reason }, 'an event cannot be read and is left out');
      for (const oldest of this.#kept.keys()) {
        if (this.#kept.size <= REFUSED_KEPT) break;
        this.#kept.delete(oldest);
      }
    }
  }
}
