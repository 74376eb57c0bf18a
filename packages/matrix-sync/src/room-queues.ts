// SPDX-License-Identifier: Apache-2.0
import { BureauError, sleep, type Clock, type RoomId } from '@bureau/core';
import { ROOM_QUEUE_MAX } from './limits.ts';

/**
 * What is sent to one room is sent one after the other; rooms do not wait for each other. After the homeserver asked to wait for a
 * room, nothing goes to that room until then.
 */
export class RoomQueues {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #queues = new Map<RoomId, { tail: Promise<unknown>; waiting: number; notBefore: number }>();

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Runs `task` when it is its turn; what it throws is thrown, `rate_limited` after it was noted. Throws `queue_full`. */
  async run<Value>(room: RoomId, task: () => Promise<Value>): Promise<Value> {
    this.#dropIdle();
    const queue = this.#queues.get(room) ?? { tail: Promise.resolve(), waiting: 0, notBefore: 0 };
    this.#queues.set(room, queue);
    if (queue.waiting >= ROOM_QUEUE_MAX)
      throw new BureauError(
        'queue_full',
        `Expected at most ${ROOM_QUEUE_MAX} requests that wait for ${room}; the homeserver does not keep up`,
      );
    queue.waiting += 1;
    const turn = queue.tail.then(async () => {
      const pause = queue.notBefore - this.#clock.monotonic();
      if (pause > 0) await sleep(this.#clock, pause, this.#signal);
      try {
        return await task();
      } catch (error) {
        const asked = error instanceof BureauError && error.code === 'rate_limited' ? error.data['retryAfterMilliseconds'] : undefined;
        if (typeof asked === 'number') queue.notBefore = this.#clock.monotonic() + asked;
        throw error;
      }
    });
    queue.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      queue.waiting -= 1;
    }
  }

  /** Rooms that anybody may invite us to are many; what is known of them is kept as long as it says something. */
  #dropIdle(): void {
    const now = this.#clock.monotonic();
    for (const [room, { waiting, notBefore }] of this.#queues) if (waiting === 0 && notBefore <= now) this.#queues.delete(room);
  }
}
