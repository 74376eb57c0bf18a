// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';

/**
 * A start that waits for a reason or a time, whichever comes first, and happens once. What connects to a socket that listens meanwhile waits in the
 * kernel's queue: nothing is read from it, so nothing is answered before the keys and denials are there.
 */
export class HeldStart {
  readonly #start: () => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  #timer: Timer | undefined;
  #holding = false;
  #started: Promise<void> = Promise.resolve();

  /** `onFailure` is told when a start that was held fails. */
  constructor(start: () => Promise<void>, onFailure: (error: unknown) => void) {
    this.#start = start;
    this.#onFailure = onFailure;
  }

  /** Begins to hold. */
  releaseAfter(milliseconds: number, clock: Clock): void {
    this.#holding = true;
    this.#timer = clock.setTimer(milliseconds, () => this.release());
  }

  /** Starts now what is held; nothing when nothing is. */
  release(): void {
    if (!this.#holding) return;
    this.#holding = false;
    this.#timer?.clear();
    this.#started = this.#start().catch(this.#onFailure);
  }

  /** What is held never starts; resolves when a start that is under way has ended. */
  async cancel(): Promise<void> {
    this.#holding = false;
    this.#timer?.clear();
    await this.#started;
  }
}
