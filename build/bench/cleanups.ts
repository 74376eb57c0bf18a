// SPDX-License-Identifier: Apache-2.0

/** What must be undone when a bench ends, also where a signal ends it in the middle of an `await`. */
export class Cleanups {
  readonly #open = new Set<() => Promise<void>>();
  #isOver = false;

  /**
   * Keeps `undo` for {@link run}; the function that comes back does it earlier. It is done once, whoever asks, and everybody gets the same
   * promise. Throws once `run` was called: what a bench begins after its end would be left behind.
   */
  add(undo: () => Promise<void>): () => Promise<void> {
    if (this.#isOver) throw new Error('The bench is over; nothing more is started');
    let done: Promise<void> | undefined;
    const once = (): Promise<void> => {
      done ??= undo().finally(() => this.#open.delete(once));
      return done;
    };
    this.#open.add(once);
    return once;
  }

  /** Does all that is left, the newest first, and lets nothing be added from now on; resolves with what failed. */
  async run(): Promise<readonly unknown[]> {
    this.#isOver = true;
    const failed: unknown[] = [];
    for (const undo of [...this.#open].toReversed()) await undo().catch((error: unknown) => failed.push(error));
    return failed;
  }
}
