// SPDX-License-Identifier: Apache-2.0

/** Positions that are remembered. */
const POSITIONS_KEPT = 1_000;

/** Notices a position that was left behind and comes again: an answer that is old, or a homeserver that has gone back. */
export class PositionHistory {
  readonly #left = new Set<string>();
  #current: string | undefined;

  /** Takes the newest position; whether it had been left before. The same one twice in a row is a sync without news. */
  isOld(position: string): boolean {
    if (position === this.#current) return false;
    const old = this.#left.has(position);
    if (this.#current !== undefined) this.#left.add(this.#current);
    this.#current = position;
    for (const oldest of this.#left) {
      if (this.#left.size <= POSITIONS_KEPT) break;
      this.#left.delete(oldest);
    }
    return old;
  }
}
