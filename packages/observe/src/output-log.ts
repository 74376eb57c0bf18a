// SPDX-License-Identifier: Apache-2.0
import { fstatSync, ftruncateSync, readSync } from 'node:fs';
import { describeError } from '@bureau/core';
import { writeAll } from '@bureau/native';

/** Bounds of an output log, in bytes. */
export interface OutputLogLimits {
  /** The log is cut when it would be longer … */
  readonly most: number;
  /** … to its newest bytes. */
  readonly keep: number;
}

/**
 * The file that keeps a payload's raw output after its relay has gone: appended, cut to its newest part when it grows too long.
 * The descriptor (read, write, append) is the caller's. A full disk costs the log, never the payload: `onFailure` is called once.
 */
export class OutputLog {
  readonly #descriptor: number;
  readonly #limits: OutputLogLimits;
  readonly #onFailure: (message: string) => void;
  #size: number;
  #failed = false;

  constructor(descriptor: number, limits: OutputLogLimits, onFailure: (message: string) => void) {
    this.#descriptor = descriptor;
    this.#limits = limits;
    this.#onFailure = onFailure;
    this.#size = fstatSync(descriptor).size;
  }

  append(data: Uint8Array): void {
    this.#attempt(() => {
      if (this.#size + data.length > this.#limits.most) this.#cut();
      writeAll(this.#descriptor, data);
      this.#size += data.length;
    });
  }

  /** Cuts a file that another has made too long: what is written before a relay is awake is bounded for each start alone, and may be all that comes. */
  trim(): void {
    this.#attempt(() => {
      if (this.#size > this.#limits.most) this.#cut();
    });
  }

  #attempt(step: () => void): void {
    if (this.#failed) return;
    try {
      step();
    } catch (error) {
      this.#failed = true;
      this.#onFailure(`The output log is no longer written: ${describeError(error)}`);
    }
  }

  /** Not atomic: a relay that dies between the two steps loses the log, not the payload's output to its observers. */
  #cut(): void {
    const start = Math.max(0, this.#size - this.#limits.keep);
    const newest = Buffer.allocUnsafe(this.#size - start);
    let length = 0;
    for (;;) {
      const count = readSync(this.#descriptor, newest, length, newest.length - length, start + length);
      length += count;
      if (count === 0 || length === newest.length) break;
    }
    ftruncateSync(this.#descriptor, 0);
    writeAll(this.#descriptor, newest.subarray(0, length));
    this.#size = length;
  }
}
