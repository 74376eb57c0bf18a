// SPDX-License-Identifier: Apache-2.0
import type { Needle } from '../injection/needles.ts';
import { blankIn } from '../upstreams/body-redactor.ts';
import { InterceptionFailure } from './failure.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A copy of an answer's body, up to a bound; nothing of one that is longer. It may hold keys: they are blanked before any of it becomes a string. */
export class BodyCapture implements Disposable {
  readonly #most: number;
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Copies one piece. */
  push(piece: Buffer): void {
    if (this.#length > this.#most) return;
    this.#length += piece.length;
    if (this.#length > this.#most) this[Symbol.dispose]();
    else this.#pieces.push(offHeapCopy(piece));
  }

  /** The object that the whole body is. Throws `response_too_large` and `response_not_json`; forgets the body in any case. */
  read(needles: readonly Needle[]): Fields {
    using forgotten = new DisposableStack();
    forgotten.use(this);
    if (this.#length > this.#most) throw new InterceptionFailure('response_too_large');
    const body = offHeapCopy(...this.#pieces);
    try {
      blankIn(body, needles);
      const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
    } catch {
      // Told below.
    } finally {
      body.fill(0);
    }
    throw new InterceptionFailure('response_not_json');
  }

  /** Zeroes what was copied. Idempotent. */
  [Symbol.dispose](): void {
    for (const piece of this.#pieces) piece.fill(0);
    this.#pieces = [];
  }
}

/** Outside of V8's heap, where small buffers would leave copies behind when they are moved. */
function offHeapCopy(...pieces: readonly Buffer[]): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(pieces.reduce((sum, { length }) => sum + length, 0)));
  let at = 0;
  for (const piece of pieces) at += piece.copy(bytes, at);
  return bytes;
}
