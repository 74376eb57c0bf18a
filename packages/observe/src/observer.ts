// SPDX-License-Identifier: Apache-2.0
import { TERMINAL_CHUNK_MAX, type OutputChunk } from '@bureau/protocol';
import { OutputRing, type OutputRecord } from './ring.ts';

/** `control`: nothing is dropped, the payload waits. `observe`: the oldest is dropped when the observer is slow. */
export type ObserverMode = 'control' | 'observe';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What an observer begins with, and what it tells its hub. */
export interface ObserverOptions {
  readonly mode: ObserverMode;
  /** Past output that is given first. */
  readonly past: { readonly records: readonly OutputRecord[]; readonly missing: number };
  readonly size: Size | undefined;
  /** Live bytes that may wait; more drops the oldest. */
  readonly capacity: number;
  /** Called after each chunk that was taken, and when the observer is closed. */
  readonly onTaken: () => void;
}

/** One reader of a payload's output: size, what is missing, past, `live`, then what comes. Chunks are taken one at a time. */
export class Observer implements Disposable {
  readonly mode: ObserverMode;
  readonly #onTaken: () => void;
  readonly #past = new OutputRing(Infinity);
  readonly #queue: OutputRing;
  #missing: number;
  #told = 0;
  #size: Size | undefined;
  #live = false;
  #ended = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: ObserverOptions) {
    this.mode = options.mode;
    this.#onTaken = options.onTaken;
    this.#queue = new OutputRing(options.capacity);
    this.#missing = options.past.missing;
    this.#size = options.size;
    for (const { from, data } of options.past.records) this.#past.push(from, data);
  }

  /** Live bytes that wait to be taken. */
  get waiting(): number {
    return this.#queue.size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  push(record: OutputRecord): void {
    this.#queue.push(record.from, record.data);
    this.#signal();
  }

  resized(size: Size): void {
    this.#size = size;
    this.#signal();
  }

  /** No more output will come. */
  end(): void {
    this.#ended = true;
    this.#signal();
  }

  /** The next chunk; null after the last one, or when the observer was closed. Rejects with the signal's reason. One call at a time. */
  async next(signal: AbortSignal): Promise<OutputChunk | null> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) return null;
      const chunk = this.#take();
      if (chunk !== undefined) {
        this.#onTaken();
        return chunk;
      }
      if (this.#ended) return null;
      await this.#woken(signal);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal();
    this.#onTaken();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(): OutputChunk | undefined {
    if (this.#size !== undefined) {
      const { columns, rows } = this.#size;
      this.#size = undefined;
      return { type: 'size', columns, rows };
    }
    if (!this.#live) {
      if (this.#missing > 0) {
        const bytes = this.#missing;
        this.#missing = 0;
        return { type: 'dropped', bytes };
      }
      const past = this.#past.shift(TERMINAL_CHUNK_MAX);
      if (past !== undefined) return { type: 'output', ...past };
      this.#live = true;
      return { type: 'live' };
    }
    const lost = this.#queue.dropped - this.#told;
    if (lost > 0) {
      this.#told += lost;
      return { type: 'dropped', bytes: lost };
    }
    const record = this.#queue.shift(TERMINAL_CHUNK_MAX);
    return record === undefined ? undefined : { type: 'output', ...record };
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#wake = wake;
    });
  }
}
