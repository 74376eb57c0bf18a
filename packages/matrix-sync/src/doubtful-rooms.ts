// SPDX-License-Identifier: Apache-2.0
import { describeError, hasCode, type RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { HomeserverLink } from './homeserver-link.ts';
import type { InvitationDesk } from './invitations.ts';
import type { RefusedEvents } from './refused-events.ts';
import { readStateAnswer } from './sync-answer.ts';
import type { SyncedState } from './synced-state.ts';

export interface DoubtfulRoomsDeps {
  readonly link: Pick<HomeserverLink, 'roomState'>;
  readonly state: SyncedState;
  readonly refused: RefusedEvents;
  readonly invitations: Pick<InvitationDesk, 'join'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Rooms that the machine cannot do without: joined where they cannot be read. */
  readonly rooms: readonly RoomId[];
  /** Types of state that are kept; may grow. */
  readonly followed: ReadonlySet<string>;
  /** Called after each room that was other than it seemed. */
  readonly onChange: () => void;
}

/** Rooms of which a sync may not have told the truth, until each has been read whole. */
export class DoubtfulRooms {
  readonly #deps: DoubtfulRoomsDeps;
  readonly #rooms = new Set<RoomId>();
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  constructor(deps: DoubtfulRoomsDeps) {
    this.#deps = deps;
  }

  /** Whether `read` has something to do. */
  get isAny(): boolean {
    return this.#rooms.size + this.#waiting.length > 0;
  }

  add(rooms: readonly RoomId[]): void {
    for (const room of rooms) this.#rooms.add(room);
  }

  /** Resolves when all that are in doubt now have been read; rejects with what `giveUp` is told. */
  async settled(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ resolve, reject });
    await promise;
  }

  /** Tells those who wait why rooms cannot be read now; the rooms stay in doubt. */
  giveUp(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /**
   * Reads them, one after the other. `live`: syncs answered before; else what differs was told by a homeserver that has gone back. A
   * room that is refused to us is left as it is known; anything else is thrown, and the room stays in doubt.
   */
  async read({ live }: { readonly live: boolean }): Promise<void> {
    for (const room of this.#rooms) {
      // Taken out first: what comes into doubt meanwhile is read once more.
      this.#rooms.delete(room);
      try {
        await this.#readRoom(room, live);
      } catch (error) {
        if (!hasCode(error, 'matrix_refused')) {
          this.#rooms.add(room);
          throw error;
        }
        // Not in it: an invitation that a lost answer told can still be taken up.
        if (this.#deps.rooms.includes(room)) await this.#deps.invitations.join(room);
        this.#deps.logger.warn({ room, error: describeError(error) }, 'a room cannot be read; what is known of it stands');
      }
    }
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  async #readRoom(room: RoomId, live: boolean): Promise<void> {
    const { link, state, refused, logger, signal, followed, onChange } = this.#deps;
    const answer = readStateAnswer(await link.roomState(room, signal), room);
    refused.add(answer.refused);
    const known = state.knows(room);
    const change = state.take(
      room,
      answer.state.filter(({ type }) => followed.has(type)),
      { whole: true },
    );
    refused.addSurplus(room, change.tooMany);
    const differing = change.set.length + change.gone.length;
    if (differing === 0) return;
    if (known && live) logger.info({ room, events: differing }, 'a room in doubt was read: it is other than it seemed');
    else if (known)
      logger.error({ room }, `the homeserver has other state than it told us (${differing} events differ): restored from an older copy?`);
    state.save();
    onChange();
  }
}
