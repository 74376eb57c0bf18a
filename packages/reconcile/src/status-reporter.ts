// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { STATUS_PAUSE_MILLISECONDS } from './limits.ts';
import { publishPause } from './publish-pause.ts';

export interface StatusReporterDeps<Content> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly publish: (content: Content) => Promise<void>;
}

/** Publishes the newest status: a burst becomes one event, the same content none, a refused one is tried again. */
export class StatusReporter<Content extends object> {
  readonly #deps: StatusReporterDeps<Content>;
  #wanted: string | undefined;
  #published: string | undefined;
  #timer: Timer | undefined;
  #sending = false;
  /** Failures in a row; only the first is told, since an outage may last for days. */
  #failures = 0;

  constructor(deps: StatusReporterDeps<Content>) {
    this.#deps = deps;
  }

  /** Takes the newest status. */
  report(content: Content): void {
    const text = JSON.stringify(content);
    if (text === this.#wanted) return;
    this.#wanted = text;
    this.#later(STATUS_PAUSE_MILLISECONDS);
  }

  #later(milliseconds: number): void {
    if (this.#timer !== undefined || this.#sending) return;
    this.#timer = this.#deps.clock.setTimer(milliseconds, () => {
      this.#timer = undefined;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const text = this.#wanted;
    if (text === undefined || text === this.#published) return;
    this.#sending = true;
    let pause = STATUS_PAUSE_MILLISECONDS;
    try {
      await this.#deps.publish(JSON.parse(text) as Content);
      this.#published = text;
      this.#failures = 0;
    } catch (error) {
      // Nobody knows whether it was taken: what was there before may not be there any more.
      this.#published = undefined;
      pause = publishPause(error);
      this.#failures += 1;
      if (this.#failures === 1) this.#deps.logger.warn({ error: describeError(error), pause }, 'status was not published; trying again');
    } finally {
      this.#sending = false;
    }
    if (this.#wanted !== this.#published) this.#later(pause);
  }
}
