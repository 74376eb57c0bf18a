// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeError, type Clock, type Timer } from '@bureau/core';
import { cutLogFile } from '@bureau/files';
import type { Logger } from '@bureau/log';
import { LOG_LOOK_MILLISECONDS } from './limits.ts';

/** Keeps the logs of processes that run for months from growing without end, whoever makes them write. */
export class LogWatch implements Disposable {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | undefined;

  /** Begins to look, now and then, at `*.log` in `directory`, which nobody but root may write. */
  constructor(directory: string, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#directory = directory;
    this.#clock = clock;
    this.#logger = logger;
    this.#look();
  }

  [Symbol.dispose](): void {
    this.#timer?.clear();
  }

  #look(): void {
    try {
      for (const name of readdirSync(this.#directory)) if (name.endsWith('.log')) cutLogFile(join(this.#directory, name));
    } catch (error) {
      // A full disk has no room for the copy: it goes on growing until there is some, and nothing is lost.
      this.#logger.warn({ error: describeError(error) }, 'a large log cannot be put aside');
    }
    this.#timer = this.#clock.setTimer(LOG_LOOK_MILLISECONDS, () => this.#look());
  }
}
