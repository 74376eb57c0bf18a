// SPDX-License-Identifier: Apache-2.0
import type { SimulatedTime } from './simulated-time.ts';

/** What must hold in every history. */
export type Invariant =
  | 'one instance'
  | 'secrets in place'
  | 'completed stays completed'
  | 'ends what is not wanted'
  | 'ends only what is not wanted'
  | 'converges'
  | 'empty plan'
  | 'one notification'
  | 'nothing forgotten';

/** The first thing that was wrong. */
export interface Violation {
  readonly invariant: Invariant;
  readonly what: string;
  /** Milliseconds since the world began. */
  readonly at: number;
}

/** Writes the history down, and what was wrong in it. */
export class Judge {
  readonly #time: SimulatedTime;
  readonly #lines: string[] = [];
  #violation: Violation | undefined;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** The history, a line for each thing that happened. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  tell(who: string, what: string): void {
    this.#lines.push(`${(this.#time.now / 1_000).toFixed(3).padStart(8)} s  ${who.padEnd(10)} ${what}`);
  }

  /** Only the first counts: what follows is mostly its consequence. */
  violated(invariant: Invariant, what: string): void {
    if (this.#violation !== undefined) return;
    this.#violation = { invariant, what, at: this.#time.now };
    this.tell('VIOLATED', `${invariant}: ${what}`);
  }
}
