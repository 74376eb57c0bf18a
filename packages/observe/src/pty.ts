// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, write } from 'node:fs';
import { ReadStream } from 'node:tty';
import { BureauError, hasCode, sleep, type Clock } from '@bureau/core';
import { PTY_RETRY_FIRST_MILLISECONDS, PTY_RETRY_MOST_MILLISECONDS } from './limits.ts';
import type { Size } from './observer.ts';
import { ptyBinding } from './pty-binding.ts';

/** What a terminal types for "end of input" (VEOF) when the payload has not chosen another key. */
const END_OF_INPUT = 0x04;

/** One pseudo-terminal, both ends. The payload's end is to be closed here once the payload has its copies. */
export class PseudoTerminal {
  /** The payload's end; opened without becoming anyone's controlling terminal. */
  readonly payloadEnd: number;
  /** What the payload wrote. Ends (`end` or an EIO error) when nobody holds the other end any more. */
  readonly output: ReadStream;
  readonly #master: number;
  readonly #clock: Clock;
  #payloadEndOpen = true;
  #lastTyped = 0x0a;

  private constructor(master: number, payloadEnd: number, clock: Clock) {
    this.#master = master;
    this.payloadEnd = payloadEnd;
    this.output = new ReadStream(master);
    this.#clock = clock;
  }

  /** Throws `pty_unavailable` when node-pty is not the one this was written for, is not compiled, or the system has no terminal left. */
  static open(size: Size, clock: Clock): PseudoTerminal {
    const binding = ptyBinding();
    const { master, slave, pty } = binding.open(size.columns, size.rows);
    try {
      // node-pty made its own descriptor non-blocking, which programs do not expect of their terminal: open it anew.
      return new PseudoTerminal(master, openSync(pty, constants.O_RDWR | constants.O_NOCTTY), clock);
    } catch (cause) {
      closeSync(master);
      throw new BureauError('pty_unavailable', `Cannot open the terminal ${pty} that was just made; check that /dev/pts is mounted`, {
        cause,
      });
    } finally {
      closeSync(slave);
    }
  }

  /** The payload has its copies; without this the output would never end. */
  closePayloadEnd(): void {
    if (this.#payloadEndOpen) closeSync(this.payloadEnd);
    this.#payloadEndOpen = false;
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
    ptyBinding().resize(this.#master, size.columns, size.rows);
  }

  /** Closes both ends; the payload's session is hung up. */
  close(): void {
    this.closePayloadEnd();
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
