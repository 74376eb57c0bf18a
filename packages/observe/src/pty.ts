// SPDX-License-Identifier: Apache-2.0
import { write } from 'node:fs';
import { ReadStream } from 'node:tty';
import { BureauError, hasCode, sleep, type Clock } from '@bureau/core';
import { setTerminalSize } from '@bureau/native';
import { PTY_RETRY_FIRST_MILLISECONDS, PTY_RETRY_MOST_MILLISECONDS } from './limits.ts';
import type { Size } from './observer.ts';

/** What a terminal types for "end of input" (VEOF) when the payload has not chosen another key. */
const END_OF_INPUT = 0x04;

/** The master of a pseudo-terminal whose other end the payload has. */
export class PseudoTerminal {
  /** What the payload wrote. Ends (`end` or an EIO error) when nobody holds the other end any more. */
  readonly output: ReadStream;
  readonly #master: number;
  readonly #clock: Clock;
  #lastTyped = 0x0a;

  /** Takes `master` over. */
  constructor(master: number, clock: Clock) {
    this.#master = master;
    this.output = new ReadStream(master);
    this.#clock = clock;
  }

  /**
   * Types `data`. Resolves when the terminal has taken it all; a payload that does not read makes it wait. An abort leaves the rest untyped.
   * Not through a Node stream: libuv writes to a PTY master blocking, and a payload that does not read would stop the relay.
   */
  async type(data: Uint8Array, signal: AbortSignal): Promise<void> {
    let typed = 0;
    let pause = PTY_RETRY_FIRST_MILLISECONDS;
    while (typed < data.length) {
      signal.throwIfAborted();
      const count = await writeSome(this.#master, data.subarray(typed));
      if (count > 0) {
        typed += count;
        pause = PTY_RETRY_FIRST_MILLISECONDS;
        this.#lastTyped = data[typed - 1]!;
        continue;
      }
      await sleep(this.#clock, pause, signal);
      pause = Math.min(pause * 2, PTY_RETRY_MOST_MILLISECONDS);
    }
  }

  /** Types the end of input: once at the start of a line, twice after a part of one (the first only sends that part). */
  async typeEnd(signal: AbortSignal): Promise<void> {
    const midLine = this.#lastTyped !== 0x0a && this.#lastTyped !== 0x0d && this.#lastTyped !== END_OF_INPUT;
    await this.type(midLine ? Buffer.from([END_OF_INPUT, END_OF_INPUT]) : Buffer.from([END_OF_INPUT]), signal);
  }

  /** Sets the size; the kernel tells the foreground process group (SIGWINCH). */
  resize(size: Size): void {
    setTerminalSize(this.#master, size);
  }

  /** The payload's session is hung up. */
  close(): void {
    this.output.destroy();
  }
}

/** Bytes taken; 0 when the terminal is full. */
function writeSome(descriptor: number, data: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, data, (error, count) => {
      if (error === null) resolve(count);
      else if (hasCode(error, 'EAGAIN')) resolve(0);
      else reject(new BureauError('input_closed', 'The payload can no longer read: its terminal is closed', { cause: error }));
    });
  });
}
