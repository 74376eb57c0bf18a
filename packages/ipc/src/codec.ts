// SPDX-License-Identifier: Apache-2.0
// The "/pack" entry is the whole library in plain JavaScript: the main entry would load a native string decoder.
import { Packr, REUSE_BUFFER_MODE, RESET_BUFFER_MODE } from 'msgpackr/pack';
import { BureauError } from '@bureau/core';
import type { IpcLimits } from './limits.ts';
import { MsgpackScanner } from './scanner.ts';

/** msgpackr returns its own buffer in this mode; the value lies between `start` and `end` until the next call. */
interface Packed extends Buffer {
  readonly start: number;
  readonly end: number;
}

const PACK_MODE = REUSE_BUFFER_MODE | RESET_BUFFER_MODE;

/** Plain maps, no records, no extension types; absent for undefined. */
function createPackr(): Packr {
  return new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'auto', skipValues: [undefined] } as ConstructorParameters<
    typeof Packr
  >[0]);
}

/** Turns values into msgpack and back; refuses what `MsgpackScanner` refuses, in both directions. One per connection. */
export class Codec {
  readonly #packr = createPackr();
  readonly #scanner: MsgpackScanner;
  readonly #maxFrameBytes: number;
  /** Reused: msgpackr reads it at once. */
  readonly #range = { start: 0, end: 0 };

  constructor(limits: Pick<IpcLimits, 'maxDepth' | 'maxFrameBytes' | 'maxValues'>) {
    this.#scanner = new MsgpackScanner(limits);
    this.#maxFrameBytes = limits.maxFrameBytes;
  }

  /**
   * The value in `bytes[start, end)`. Byte strings in it are views of `bytes`: copy what outlives them. Throws `malformed_frame`.
   */
  decode(bytes: Buffer, start: number, end: number): unknown {
    this.#scanner.check(bytes, start, end);
    this.#range.start = start;
    this.#range.end = end;
    try {
      return this.#packr.unpack(bytes, this.#range);
    } catch (error) {
      throw new BureauError('malformed_frame', 'Refused a frame: it is not msgpack.', { cause: error });
    }
  }

  /**
   * Encodes `value`, checks what came out (a cycle, a Date or a lone key must fail here and not at the peer), hands it to `take` and
   * wipes it. Throws `frame_too_large` or `malformed_frame`; `take` is not called then.
   */
  encode(value: unknown, take: (bytes: Buffer, start: number, end: number) => void): void {
    let packed: Packed;
    try {
      packed = this.#packr.pack(value, PACK_MODE) as Packed;
    } catch (error) {
      throw new BureauError('malformed_frame', 'Cannot send a value: it is not plain data.', { cause: error });
    }
    const { start, end } = packed;
    try {
      if (end - start > this.#maxFrameBytes) throw tooLarge(end - start, this.#maxFrameBytes);
      this.#scanner.check(packed, start, end);
      take(packed, start, end);
    } finally {
      packed.fill(0, start, end);
    }
  }
}

/** The error for a frame beyond the limit. */
export function tooLarge(found: number, limit: number): BureauError {
  return new BureauError('frame_too_large', `A frame may have ${limit} bytes; this one has ${found}. Send less at once, or stream it.`, {
    data: { bytes: found, limit },
  });
}
