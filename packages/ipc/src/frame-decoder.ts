// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { tooLarge } from './codec.ts';

/** Bytes of the length prefix. */
export const PREFIX_BYTES = 4;
/** First size of the buffer for a frame that arrives in pieces. */
const FIRST_CAPACITY = 1_024;

/**
 * Cuts a byte stream into frames: uint32 big-endian length (itself excluded), then that many bytes. A frame that arrived whole is
 * handed on as a view; one in pieces is gathered in a buffer that grows with what arrived (at most twice of it), never with the claim.
 * Throws `frame_too_large` or `malformed_frame` (length 0) as soon as the prefix is complete; it is unusable afterwards.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  readonly #take: (bytes: Buffer, start: number, end: number) => void;
  /** Prefix and body of the unfinished frame. */
  #partial = Buffer.allocUnsafeSlow(0);
  #filled = 0;
  /** Prefix plus body, once the prefix is known. */
  #wanted = 0;
  #frames = 0;

  constructor(maxFrameBytes: number, take: (bytes: Buffer, start: number, end: number) => void) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#take = take;
  }

  /** Frames handed on so far. */
  get frames(): number {
    return this.#frames;
  }

  /** True in the middle of a frame. */
  get pending(): boolean {
    return this.#filled > 0;
  }

  /** Bytes held for the unfinished frame. */
  get held(): number {
    return this.#partial.length;
  }

  push(chunk: Buffer): void {
    let position = this.#filled > 0 ? this.#continue(chunk) : 0;
    while (chunk.length - position >= PREFIX_BYTES) {
      const length = this.#checked(chunk.readUInt32BE(position));
      const start = position + PREFIX_BYTES;
      if (chunk.length - start < length) break;
      position = start + length;
      this.#frames += 1;
      this.#take(chunk, start, position);
    }
    if (position < chunk.length) this.#gather(chunk, position, chunk.length);
  }

  /** Fills the unfinished frame from the start of `chunk`; returns how much of it was used. */
  #continue(chunk: Buffer): number {
    let position = 0;
    if (this.#filled < PREFIX_BYTES) {
      position = Math.min(PREFIX_BYTES - this.#filled, chunk.length);
      this.#gather(chunk, 0, position);
      if (this.#filled < PREFIX_BYTES) return position;
    }
    if (this.#wanted === 0) this.#wanted = PREFIX_BYTES + this.#checked(this.#partial.readUInt32BE(0));
    const upTo = Math.min(position + this.#wanted - this.#filled, chunk.length);
    this.#gather(chunk, position, upTo);
    if (this.#filled === this.#wanted) this.#finish();
    return upTo;
  }

  #finish(): void {
    const whole = this.#partial;
    const end = this.#wanted;
    this.#partial = Buffer.allocUnsafeSlow(0);
    this.#filled = 0;
    this.#wanted = 0;
    this.#frames += 1;
    this.#take(whole, PREFIX_BYTES, end);
  }

  #gather(chunk: Buffer, from: number, to: number): void {
    const needed = this.#filled + to - from;
    if (needed > this.#partial.length) {
      const doubled = Math.max(FIRST_CAPACITY, needed, Math.min(needed * 2, this.#wanted || needed * 2));
      const grown = Buffer.allocUnsafeSlow(doubled);
      this.#partial.copy(grown, 0, 0, this.#filled);
      this.#partial.fill(0);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#filled, from, to);
    this.#filled = needed;
    // Known early even when the rest of the frame is still to come.
    if (this.#wanted === 0 && needed >= PREFIX_BYTES) this.#wanted = PREFIX_BYTES + this.#checked(this.#partial.readUInt32BE(0));
  }

  #checked(length: number): number {
    if (length === 0) throw new BureauError('malformed_frame', 'Refused a frame: its length is 0.');
    if (length > this.#maxFrameBytes) throw tooLarge(length, this.#maxFrameBytes);
    return length;
  }
}
