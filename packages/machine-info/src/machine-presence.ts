// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock, type Timer } from '@bureau/core';
import type { MachineLoadContent } from '@bureau/protocol';
import { PRESENCE_RETRY_MILLISECONDS } from './limits.ts';

export interface MachinePresenceDeps {
  readonly clock: Clock;
  readonly set: (presence: 'online' | 'offline', statusText: string) => Promise<void>;
  /** Told the first of several failures in a row, in words. */
  readonly onFailure: (message: string) => void;
}

/**
 * The machine as its own Matrix user: online while its daemon runs, with one line of what it does, so that any client shows it. That it is
 * away without having said so, the homeserver sees by itself: no sync of it is under way. Nothing of Bureau reads it, so nothing waits
 * for it; what could not be said is said some time later, or the next line in its place.
 */
export class MachinePresence {
  readonly #deps: MachinePresenceDeps;
  #wanted: string | undefined;
  #saying: Promise<boolean> | undefined;
  #hasLeft = false;
  #failing = false;
  #timer: Timer | undefined;

  constructor(deps: MachinePresenceDeps) {
    this.#deps = deps;
  }

  /** To be called with what was published; the same line is not said twice. */
  report(load: MachineLoadContent): void {
    const text = statusText(load);
    if (this.#hasLeft || text === this.#wanted) return;
    this.#wanted = text;
    if (this.#timer === undefined) void this.#say();
  }

  /** The daemon goes; its sandboxes may well stay. One try, behind what is being said; after it nothing is said any more. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#timer?.clear();
    await this.#saying;
    await this.#try('offline', '');
  }

  /** Says what is wanted until it has been said; one call at a time. */
  async #say(): Promise<void> {
    this.#timer = undefined;
    const text = this.#wanted;
    if (this.#saying !== undefined || text === undefined) return;
    this.#saying = this.#try('online', text);
    const said = await this.#saying;
    this.#saying = undefined;
    if (this.#hasLeft) return;
    if (!said) this.#timer = this.#deps.clock.setTimer(PRESENCE_RETRY_MILLISECONDS, () => void this.#say());
    else if (this.#wanted !== text) void this.#say();
  }

  async #try(presence: 'online' | 'offline', text: string): Promise<boolean> {
    try {
      await this.#deps.set(presence, text);
      this.#failing = false;
      return true;
    } catch (error) {
      if (!this.#failing) this.#deps.onFailure(describeError(error));
      this.#failing = true;
      return false;
    }
  }
}

/** `3 sandboxes, 42% CPU`. Pure. */
export function statusText({ sandboxes, cpuPercent }: MachineLoadContent): string {
  const { running, waiting } = sandboxes;
  const waits = waiting > 0 ? [`${waiting} waiting`] : [];
  return [`${running} ${running === 1 ? 'sandbox' : 'sandboxes'}`, ...waits, `${Math.round(cpuPercent)}% CPU`].join(', ');
}
