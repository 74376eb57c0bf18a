// SPDX-License-Identifier: Apache-2.0
import { describeError, hasCode, type RoomId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { HomeserverLink } from './homeserver-link.ts';
import { INVITATIONS_MAX } from './limits.ts';
import type { RoomQueues } from './room-queues.ts';
import type { Invitation } from './sync-answer.ts';

export interface InvitationDeskDeps {
  readonly link: HomeserverLink;
  readonly queues: RoomQueues;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly accepts: (invitation: Invitation) => boolean;
}

/** Answers invitations: into rooms that the machine's data names, from operators that it knows. All others are declined and told. */
export class InvitationDesk {
  readonly #deps: InvitationDeskDeps;

  constructor(deps: InvitationDeskDeps) {
    this.#deps = deps;
  }

  /** Answers at most `INVITATIONS_MAX`; resolves nothing, since a sync does not wait for it. */
  answer(invitations: readonly Invitation[]): void {
    const { logger } = this.#deps;
    if (invitations.length > INVITATIONS_MAX)
      logger.warn({ count: invitations.length - INVITATIONS_MAX }, 'more invitations than are answered at once; the rest is left alone');
    for (const invitation of invitations.slice(0, INVITATIONS_MAX)) {
      const accepted = this.#deps.accepts(invitation);
      logger.warn(
        { room: invitation.room, from: invitation.from ?? '?' },
        accepted ? 'an invitation is accepted' : 'an invitation that nobody we know sent, or into a room that is none of ours, is declined',
      );
      void (accepted ? this.join(invitation.room) : this.#leave(invitation.room));
    }
  }

  /** Joins a room; told when that is refused. Never rejects. */
  async join(room: RoomId): Promise<void> {
    const { link, queues, signal } = this.#deps;
    await this.#told(room, () => queues.run(room, () => link.join(room, signal)));
  }

  async #leave(room: RoomId): Promise<void> {
    const { link, queues, signal } = this.#deps;
    await this.#told(room, () => queues.run(room, () => link.leave(room, signal)));
  }

  async #told(room: RoomId, work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        // The queue waits as long as was asked for.
        if (hasCode(error, 'rate_limited') && !this.#deps.signal.aborted) continue;
        if (!this.#deps.signal.aborted)
          this.#deps.logger.warn({ room, error: describeError(error) }, 'an invitation could not be answered');
        return;
      }
    }
  }
}
