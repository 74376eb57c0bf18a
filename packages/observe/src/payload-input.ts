// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { INPUT_WAITING_BYTES } from './limits.ts';
import type { PayloadStdio } from './payload-stdio.ts';

/** The one line of input to a payload: writes of several callers in the order of their calls, each whole, with a bound on what waits. */
export class PayloadInput {
  readonly #stdio: Pick<PayloadStdio, 'write' | 'end'>;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(stdio: Pick<PayloadStdio, 'write' | 'end'>) {
    this.#stdio = stdio;
  }

  /** Resolves when the payload's end took `data` (and, with `end`, the end of input). Throws `too_busy`, `input_closed`, the signal's reason. */
  async write(data: Uint8Array, end: boolean, signal: AbortSignal): Promise<void> {
    if (this.#waiting + data.length > INPUT_WAITING_BYTES) {
      throw new BureauError(
        'too_busy',
        `The payload does not read: ${this.#waiting} bytes of input already wait (at most ${INPUT_WAITING_BYTES}); try again later`,
        {
          data: { waiting: this.#waiting, limit: INPUT_WAITING_BYTES },
        },
      );
    }
    // A copy: what the caller gave may be a view of a receive buffer.
    const bytes = Uint8Array.from(data);
    this.#waiting += bytes.length;
    const turn = this.#last.then(() => this.#take(bytes, end, signal)).finally(() => (this.#waiting -= bytes.length));
    this.#last = turn.catch(() => undefined);
    await orAbort(turn, signal);
  }

  async #take(bytes: Uint8Array, end: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (bytes.length > 0) await this.#stdio.write(bytes, signal);
    if (end) await this.#stdio.end(signal);
  }
}

/** The promise's outcome, or the signal's reason if that comes first: the caller stops waiting, the turn itself may go on. */
function orAbort(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    turn.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
