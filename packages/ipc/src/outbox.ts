// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { PREFIX_BYTES } from './frame-decoder.ts';
import { OUTBOX_BATCH_BYTES, OUTBOX_FIRST_BYTES } from './limits.ts';

/**
 * Gathers the frames of one turn of the event loop and writes them as one buffer: at the end of the turn, or when a batch is full.
 * Buffers are wiped when the kernel has taken them, and used again.
 */
export class Outbox {
  readonly #socket: Socket;
  #batch: Buffer = Buffer.allocUnsafeSlow(0);
  #used = 0;
  #scheduled = false;
  #spare: Buffer | undefined;
  /** What the socket was given and may still need, oldest first. */
  readonly #inFlight: { readonly batch: Buffer; readonly used: number }[] = [];
  #nextSize = OUTBOX_FIRST_BYTES;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Bytes that the kernel has not taken. */
  get queued(): number {
    return this.#used + this.#socket.writableLength;
  }

  /** Copies a frame in; `bytes` are the caller's again afterwards. An arrow function, so that it can be passed on. */
  readonly add = (bytes: Buffer, start: number, end: number): void => {
    const length = end - start;
    this.#reserve(PREFIX_BYTES + length);
    this.#batch.writeUInt32BE(length, this.#used);
    bytes.copy(this.#batch, this.#used + PREFIX_BYTES, start, end);
    this.#used += PREFIX_BYTES + length;
    if (this.#used >= OUTBOX_BATCH_BYTES) return this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#onTurnEnd);
  };

  /** Hands everything to the socket now. */
  flush(): void {
    if (this.#used === 0) return;
    const batch = this.#batch;
    const used = this.#used;
    this.#batch = this.#spare ?? Buffer.allocUnsafeSlow(0);
    this.#spare = undefined;
    this.#used = 0;
    if (this.#socket.destroyed || this.#socket.writableEnded) return void batch.fill(0, 0, used);
    this.#inFlight.push({ batch, used });
    this.#socket.write(used === batch.length ? batch : batch.subarray(0, used), this.#onTaken);
  }

  /** The oldest write is done (or failed with the socket); Node calls in order. */
  readonly #onTaken = (): void => {
    const taken = this.#inFlight.shift();
    if (taken === undefined) return;
    const { batch, used } = taken;
    batch.fill(0, 0, used);
    if (batch.length <= OUTBOX_BATCH_BYTES && (this.#spare === undefined || this.#spare.length < batch.length)) this.#spare = batch;
  };

  readonly #onTurnEnd = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  #reserve(length: number): void {
    if (this.#used + length <= this.#batch.length) return;
    if (this.#used > 0) {
      this.#nextSize = Math.min(this.#nextSize * 2, OUTBOX_BATCH_BYTES);
      this.flush();
      if (length <= this.#batch.length && this.#batch.length >= this.#nextSize) return;
    }
    if (length > this.#batch.length || this.#batch.length < this.#nextSize)
      this.#batch = Buffer.allocUnsafeSlow(Math.max(this.#nextSize, length));
  }
}
