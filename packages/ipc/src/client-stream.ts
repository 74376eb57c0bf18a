// SPDX-License-Identifier: Apache-2.0
import type { BureauError } from '@bureau/core';

/**
 * A stream from the server. Iterate it once; leaving the loop early cancels it. At most the granted number of chunks waits here.
 * `result` is the server's last word; it settles after the last chunk was taken, and rejects with the error that ended the stream.
 */
export interface IpcStream<Chunk, Output> extends AsyncIterable<Chunk> {
  readonly result: Promise<Output>;
  /** Ends the stream; `result` rejects with `cancelled`. Nothing happens when it is over. */
  cancel(): void;
}

/** How a stream reaches its connection. */
export interface StreamPort {
  /** Tells the server that `count` more chunks are welcome. */
  grant(count: number): void;
  /** Tells the server that nobody listens any more, and forgets the id. */
  cancel(): void;
  /** The error for whoever waits when it is cancelled from here. */
  cancelled(): BureauError;
}

interface Waiter {
  resolve(step: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

/** The client's end of one stream. */
export class ClientStream implements IpcStream<unknown, unknown>, AsyncIterator<unknown, undefined> {
  readonly #port: StreamPort;
  readonly #grantStep: number;
  readonly #result = Promise.withResolvers<unknown>();
  /** Chunks that arrived and were not taken; `#head` is the next one. */
  #queue: unknown[] = [];
  #head = 0;
  #waiters: Waiter[] = [];
  /** Chunks that the server may still send. */
  #outstanding: number;
  #taken = 0;
  #end: { readonly output: unknown } | { readonly error: BureauError } | undefined;
  #iterated = false;

  constructor(port: StreamPort, credit: number) {
    this.#port = port;
    this.#outstanding = credit;
    this.#grantStep = Math.max(1, credit >> 1);
    // Whoever only iterates hears of the error there.
    this.#result.promise.catch(() => {});
  }

  get result(): Promise<unknown> {
    return this.#result.promise;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown, undefined> {
    if (this.#iterated) throw new TypeError('A stream can be iterated once.');
    this.#iterated = true;
    return this;
  }

  cancel(): void {
    if (this.#end !== undefined) return;
    this.#port.cancel();
    this.fail(this.#port.cancelled());
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#head < this.#queue.length) return Promise.resolve({ value: this.#take(), done: false });
    const end = this.#end;
    if (end === undefined) return new Promise((resolve, reject) => void this.#waiters.push({ resolve, reject }));
    if ('error' in end) return Promise.reject(end.error);
    return Promise.resolve({ value: undefined, done: true });
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#queue = [];
    this.#head = 0;
    if (this.#end === undefined) this.cancel();
    else this.#settleResult();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** A chunk arrived. False when the server sent more than it was granted. */
  push(chunk: unknown): boolean {
    if (this.#end !== undefined) return true;
    if (this.#outstanding === 0) return false;
    this.#outstanding -= 1;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#queue.push(chunk);
    else {
      this.#countTaken();
      waiter.resolve({ value: chunk, done: false });
    }
    return true;
  }

  /** The server has ended the stream well; what is queued is still to be taken. */
  finish(output: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { output };
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ value: undefined, done: true });
    if (this.#queue.length === this.#head) this.#settleResult();
  }

  /** The stream is over with an error; chunks that arrived before it are still to be taken. */
  fail(error: BureauError): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#result.reject(error);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #take(): unknown {
    const chunk = this.#queue[this.#head];
    this.#queue[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
      if (this.#end !== undefined) this.#settleResult();
    }
    this.#countTaken();
    return chunk;
  }

  #countTaken(): void {
    this.#taken += 1;
    if (this.#taken < this.#grantStep || this.#end !== undefined) return;
    this.#outstanding += this.#taken;
    this.#port.grant(this.#taken);
    this.#taken = 0;
  }

  #settleResult(): void {
    if (this.#end !== undefined && 'output' in this.#end) this.#result.resolve(this.#end.output);
  }
}
