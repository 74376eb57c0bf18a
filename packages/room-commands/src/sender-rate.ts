// SPDX-License-Identifier: Apache-2.0
import { RATE_MAX, RATE_WINDOW, SENDERS_MAX } from './limits.ts';

/** How many commands each sender has sent lately. */
export class SenderRate {
  readonly #sent = new Map<string, { since: number; count: number }>();

  /** Counts one. `excess` is the first above the bound, `silent` any further one: one refusal is told, not hundreds. */
  count(sender: string, now: number): 'within' | 'excess' | 'silent' {
    const known = this.#sent.get(sender);
    if (known === undefined || now - known.since >= RATE_WINDOW || now < known.since) {
      this.#sent.delete(sender);
      // The one that was quiet the longest goes; whoever comes back within its window has more, which the room's few members cannot use.
      if (this.#sent.size >= SENDERS_MAX) this.#sent.delete(this.#sent.keys().next().value ?? '');
      this.#sent.set(sender, { since: now, count: 1 });
      return 'within';
    }
    known.count += 1;
    if (known.count <= RATE_MAX) return 'within';
    return known.count === RATE_MAX + 1 ? 'excess' : 'silent';
  }
}
