// SPDX-License-Identifier: Apache-2.0
import type { BureauError } from '@bureau/core';

/** A stream whose chunks somebody hands out one by one; the shape of an `IpcStream`. */
export class FakeStream<Chunk> implements AsyncIterable<Chunk> {
  readonly result: Promise<never>;
  readonly #fail: (error: BureauError) => void;
  readonly #onCancel: () => void;
  readonly #chunks: Chunk[] = [];
  #error: BureauError | undefined;
  #wake: () => void = () => undefined;

  constructor(onCancel: () => void) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.result = promise;
    this.#fail = reject;
    this.#onCancel = onCancel;
  }

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
    this.#wake();
  }

  /** Ends it; what was pushed before is still handed out. */
  fail(error: BureauError): void {
    this.#error ??= error;
    this.#fail(error);
    this.#wake();
  }

  cancel(): void {
    this.#onCancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk> {
    try {
      while (true) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) yield chunk;
        else if (this.#error !== undefined) throw this.#error;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#onCancel();
    }
  }
}
