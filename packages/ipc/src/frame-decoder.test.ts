// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import fc from 'fast-check';
import { FrameDecoder } from './frame-decoder.ts';

function decode(chunks: readonly Buffer[], limit = 1_000): { readonly frames: string[]; readonly decoder: FrameDecoder } {
  const frames: string[] = [];
  const decoder = new FrameDecoder(limit, (bytes, start, end) => void frames.push(bytes.toString('hex', start, end)));
  for (const chunk of chunks) decoder.push(chunk);
  return { frames, decoder };
}

function frame(body: Uint8Array): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(body.length);
  return Buffer.concat([prefix, body]);
}

function cut(bytes: Buffer, points: readonly number[]): Buffer[] {
  const places = [...points.map((point) => point % (bytes.length + 1)), 0, bytes.length].toSorted((a, b) => a - b);
  // Copies: a chunk must not see what lies beyond it.
  return places.slice(1).map((to, index) => Buffer.from(bytes.subarray(places[index], to)));
}

test('FrameDecoder: any split points give the same frames', () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(10_000), { maxLength: 20 }), (all, points) => {
      const { decoder, frames } = decode(cut(Buffer.concat(all.map(frame)), points));
      assert.deepEqual(
        frames,
        all.map((body) => Buffer.from(body).toString('hex')),
      );
      assert.equal(decoder.pending, false);
      assert.equal(decoder.frames, all.length);
    }),
    { numRuns: 1_000 },
  );
});

test('FrameDecoder: byte by byte', () => {
  const bytes = Buffer.concat([frame(Buffer.from('a')), frame(Buffer.alloc(999, 7)), frame(Buffer.from('bc'))]);
  assert.deepEqual(decode([...bytes].map((byte) => Buffer.of(byte))).frames, ['61', '07'.repeat(999), '6263']);
});

test('FrameDecoder: arbitrary bytes in arbitrary pieces give frames or a typed error, and hold little', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (chunks) => {
      const decoder = new FrameDecoder(1_000, () => {});
      let arrived = 0;
      try {
        for (const chunk of chunks) {
          arrived += chunk.length;
          decoder.push(Buffer.from(chunk));
          assert.ok(decoder.held <= Math.max(1_024, 2 * arrived));
        }
      } catch (error) {
        assert.ok(error instanceof BureauError && ['frame_too_large', 'malformed_frame'].includes(error.code), String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});

test('FrameDecoder: the limit is exact, and a bad length is refused as soon as it is known', () => {
  assert.equal(decode([frame(Buffer.alloc(1_000))]).frames.length, 1);
  assert.throws(() => decode([Buffer.from('000003e9', 'hex')]), { code: 'frame_too_large', data: { bytes: 1_001, limit: 1_000 } });
  assert.throws(() => decode([Buffer.from('ff', 'hex'), Buffer.from('ffffff', 'hex')]), { code: 'frame_too_large' });
  assert.throws(() => decode([Buffer.from('0000', 'hex'), Buffer.from('0000', 'hex')]), { code: 'malformed_frame' });
  assert.throws(() => decode([Buffer.concat([frame(Buffer.from('a')), Buffer.alloc(4)])]), { code: 'malformed_frame' });
});

test('FrameDecoder: memory follows what arrived, not what was claimed', () => {
  const decoder = new FrameDecoder(0xffff_ffff, () => {});
  decoder.push(Buffer.from('fffffff0', 'hex'));
  assert.ok(decoder.held <= 1_024);
  for (let kilobytes = 1; kilobytes <= 64; kilobytes += 1) {
    decoder.push(Buffer.alloc(1_024));
    assert.ok(decoder.held <= 2 * (kilobytes * 1_024 + 4), `${decoder.held} held after ${kilobytes} KiB`);
  }
});
