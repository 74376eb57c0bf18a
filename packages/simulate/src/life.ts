// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';
import type { SimulatedTime } from './simulated-time.ts';

/** One life of a process, from its start to its kill -9. Nothing that it waits for comes after that, nothing that it does counts. */
export class Life {
  readonly #onEnd: () => void;
  #alive = true;
  #actsLeft = Number.POSITIVE_INFINITY;

  constructor(onEnd: () => void = () => undefined) {
    this.#onEnd = onEnd;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Kills it right before its `acts`-th next deed, be that in the middle of a turn: code that has a crash at each await and between two. */
  endBefore(acts: number): void {
    this.#actsLeft = acts;
  }

  /** Asked before each deed that the world outside can see. False: it is dead, and the deed is not done. */
  acts(): boolean {
    if (!this.#alive) return false;
    this.#actsLeft -= 1;
    if (this.#actsLeft <= 0) this.end();
    return this.#alive;
  }

  /** Kills it. Idempotent. */
  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#onEnd();
  }
}

/** 2026-11-21, some noon. */
const WALL_START = 1_795_262_400_000;

/** What the wall clock of a machine says, which is `off` by so much. */
export function wallClock(time: SimulatedTime, off: number): number {
  return WALL_START + time.now + off;
}

/** The clock of a process: its timers end with it. */
export function clockOf(life: Life, time: SimulatedTime, off: () => number): Clock {
  return {
    now: () => wallClock(time, off()),
    monotonic: () => time.now,
    setTimer: (milliseconds, callback): Timer => time.after(milliseconds, () => life.alive && callback()),
  };
}
