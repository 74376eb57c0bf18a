// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '@bureau/core';
import { ACCESS_LOG_FILES_MAX, accessLogFile } from '@bureau/protocol';
import type { AccessLog, AccessRecord } from '../access-log.ts';
import { AccessLines } from './access-line.ts';

export interface AccessFilesOptions {
  /** The proxy's own, 0700: nobody else of this machine but root reads it. */
  readonly directory: string;
  /** Bytes of one file before it is put aside. */
  readonly fileBytes: number;
  /** Lines wait this long for each other, so that a burst costs one write. A `kill -9` loses at most these. */
  readonly batchMilliseconds: number;
  /** Bytes that wait; more are written at once. */
  readonly batchBytes: number;
  readonly clock: Clock;
  /** Told when lines cannot be written, once for each row of failures. */
  readonly onFailure: (error: unknown) => void;
}

const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

/**
 * One principal's access log: JSON lines in a bounded number of bounded files, written off the request's path. A line that cannot be
 * written is counted, and the count stands in its place as soon as the disk takes lines again; requests are served on.
 */
export class AccessFiles implements AccessLog {
  readonly #options: AccessFilesOptions;
  readonly #lines = new AccessLines();
  #descriptor: number;
  #size: number;
  #waiting = '';
  #waitingLines = 0;
  #timer: Timer | undefined;
  #lost = 0;
  #lostEver = 0;
  /** The file ends in half a line. */
  #torn: boolean;
  #closed = false;

  private constructor(options: AccessFilesOptions, descriptor: number, size: number) {
    this.#options = options;
    this.#descriptor = descriptor;
    this.#size = size;
    // Whoever wrote last may have been killed in the middle of a line; an empty line between two is nobody's loss.
    this.#torn = size > 0;
  }

  /** Opens the newest file for appending. Throws what the system says: a proxy that cannot record does not start. */
  static open(options: AccessFilesOptions): AccessFiles {
    const descriptor = openSync(join(options.directory, accessLogFile(0)), FLAGS, 0o600);
    return new AccessFiles(options, descriptor, fstatSync(descriptor).size);
  }

  /** Lines that could not be written since the start. */
  get lost(): number {
    return this.#lostEver;
  }

  write(principal: string | undefined, record: AccessRecord): void {
    this.#waiting += this.#lines.line(this.#options.clock.now(), principal, record);
    this.#waitingLines += 1;
    if (this.#closed || this.#waiting.length >= this.#options.batchBytes) this.flush();
    else this.#timer ??= this.#options.clock.setTimer(this.#options.batchMilliseconds, () => this.flush());
  }

  /** Writes what waits. */
  flush(): void {
    this.#timer?.clear();
    this.#timer = undefined;
    if (this.#waitingLines === 0) return;
    const lines = this.#waitingLines;
    const text = this.#waiting;
    this.#waiting = '';
    this.#waitingLines = 0;
    try {
      this.#append(text);
      this.#lost = 0;
    } catch (error) {
      if (this.#lost === 0) this.#options.onFailure(error);
      this.#lost += lines;
      this.#lostEver += lines;
    }
  }

  close(): void {
    this.flush();
    this.#closed = true;
  }

  #append(text: string): void {
    const { clock, fileBytes } = this.#options;
    const gap = this.#lost === 0 ? '' : `${JSON.stringify({ time: new Date(clock.now()).toISOString(), lost: this.#lost })}\n`;
    const bytes = Buffer.from(`${this.#torn ? '\n' : ''}${gap}${text}`);
    if (this.#size > 0 && this.#size + bytes.length > fileBytes) this.#rotate();
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#descriptor, bytes, done);
    } finally {
      this.#size += done;
      this.#torn = done === 0 ? this.#torn : done < bytes.length;
    }
  }

  /** The oldest file is the one that is written over. */
  #rotate(): void {
    const { directory } = this.#options;
    for (let age = ACCESS_LOG_FILES_MAX - 1; age > 0; age -= 1) {
      try {
        renameSync(join(directory, accessLogFile(age - 1)), join(directory, accessLogFile(age)));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    }
    const descriptor = openSync(join(directory, accessLogFile(0)), FLAGS, 0o600);
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#size = fstatSync(descriptor).size;
    this.#torn = false;
  }
}
