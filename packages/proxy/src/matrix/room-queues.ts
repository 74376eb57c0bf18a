// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import { Problem } from '../problem.ts';
import { pause } from './pause.ts';

/** At least a little: a homeserver that says 0 would be asked without end. */
const PAUSE_LEAST_MILLISECONDS = 50;

interface Queue {
  /** Settled when everything that was put in so far has ended. */
  tail: Promise<void>;
  length: number;
}

/** What one proxy sends to each room, one after the other: order is kept, and a pause that the homeserver asks for holds for all that wait. */
export class RoomQueues {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #milliseconds: number;
  readonly #queues = new Map<string, Queue>();

  /** At most `most` wait for one room; each for `milliseconds`, its turn and the homeserver's pauses together. */
  constructor(clock: Clock, most: number, milliseconds: number) {
    this.#clock = clock;
    this.#most = most;
    this.#milliseconds = milliseconds;
  }

  /**
   * Runs `send` when everything before it has ended, and again after each pause that a `matrix_rate_limited` problem names, as long as
   * that fits the time; then the problem goes to the agent. Throws the `Problem`s 429 `room_queue_full` and `room_queue_slow`, after
   * which nothing was sent, and the signal's reason when the agent has gone.
   */
  async run<Result>(room: string, signal: AbortSignal, send: () => Promise<Result>): Promise<Result> {
    const queue = this.#queues.get(room) ?? { tail: Promise.resolve(), length: 0 };
    if (queue.length >= this.#most) throw this.#full();
    this.#queues.set(room, queue);
    queue.length += 1;
    const until = this.#clock.monotonic() + this.#milliseconds;
    const ended = Promise.withResolvers<void>();
    const before = queue.tail;
    queue.tail = before.then(() => ended.promise);
    try {
      if (queue.length > 1) await this.#turn(before, signal);
      return await this.#attempt(until, signal, send);
    } finally {
      ended.resolve();
      queue.length -= 1;
      if (queue.length === 0) this.#queues.delete(room);
    }
  }

  async #turn(before: Promise<void>, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const onGone = (): void => over.abort(signal.reason);
    signal.addEventListener('abort', onGone, { once: true });
    const timeUp = pause(this.#clock, this.#milliseconds, over.signal).then(() => {
      throw this.#slow();
    });
    timeUp.catch(() => undefined);
    try {
      await Promise.race([before, timeUp]);
    } finally {
      signal.removeEventListener('abort', onGone);
      over.abort();
    }
  }

  async #attempt<Result>(until: number, signal: AbortSignal, send: () => Promise<Result>): Promise<Result> {
    for (;;) {
      // An agent that has gone while it waited asks for nothing any more.
      signal.throwIfAborted();
      try {
        return await send();
      } catch (error) {
        const asked = error instanceof Problem && error.code === 'matrix_rate_limited' ? pauseOf(error) : undefined;
        if (asked === undefined || this.#clock.monotonic() + asked > until) throw error;
        await pause(this.#clock, asked, signal);
      }
    }
  }

  #full(): Problem {
    return new Problem(
      429,
      'room_queue_full',
      `${this.#most} sends already wait for this room (limit roomQueue); nothing was sent. Wait for their answers.`,
      { headers: { 'retry-after': '1' } },
    );
  }

  #slow(): Problem {
    return new Problem(
      429,
      'room_queue_slow',
      `Earlier sends to this room have taken ${this.#milliseconds} ms (limit roomQueueMilliseconds); nothing was sent. Try again.`,
      { headers: { 'retry-after': '5' } },
    );
  }
}

function pauseOf(problem: Problem): number {
  const milliseconds = problem.extensions['retry_after_ms'];
  return Math.max(PAUSE_LEAST_MILLISECONDS, typeof milliseconds === 'number' ? milliseconds : 0);
}
