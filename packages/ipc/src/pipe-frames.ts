// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream';
import { Codec } from './codec.ts';
import { FrameDecoder, PREFIX_BYTES } from './frame-decoder.ts';
import { DEFAULT_LIMITS } from './limits.ts';

/** One value as one frame (uint32 big-endian length, msgpack), for a pipe between parent and child. Throws `frame_too_large`. */
export function encodeFrame(value: unknown): Buffer {
  let frame = Buffer.alloc(0);
  new Codec(DEFAULT_LIMITS).encode(value, (bytes, start, end) => {
    frame = Buffer.allocUnsafeSlow(PREFIX_BYTES + end - start);
    frame.writeUInt32BE(end - start);
    bytes.copy(frame, PREFIX_BYTES, start, end);
  });
  return frame;
}

/** The values of all frames of a pipe, in order, to its end. Throws `frame_too_large`, `malformed_frame`; the values are not yet validated. */
export async function* readFrames(pipe: Readable, maxFrameBytes: number): AsyncGenerator<unknown, void> {
  const codec = new Codec({ ...DEFAULT_LIMITS, maxFrameBytes });
  const waiting: unknown[] = [];
  const decoder = new FrameDecoder(maxFrameBytes, (bytes, start, end) =>
    waiting.push(codec.decode(Buffer.from(bytes.subarray(start, end)), 0, end - start)),
  );
  for await (const piece of pipe) {
    decoder.push(piece as Buffer);
    yield* waiting.splice(0);
  }
}
