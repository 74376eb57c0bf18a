// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Codec } from './codec.ts';
import { DEFAULT_LIMITS } from './limits.ts';

function roundTrip(codec: Codec, value: unknown): unknown {
  let copy = Buffer.alloc(0);
  codec.encode(value, (bytes, start, end) => {
    copy = Buffer.from(bytes.subarray(start, end));
  });
  return codec.decode(copy, 0, copy.length);
}

const key = fc.string({ maxLength: 20 }).filter((text) => !['__proto__', 'constructor', 'prototype'].includes(text));
const { value: plain } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.array(tie('value'), { maxLength: 8 }),
    fc.dictionary(key, tie('value'), { maxKeys: 16, noNullPrototype: true }),
  ),
}));

test('Codec: plain values come back as they went, one after the other', () => {
  const codec = new Codec({ ...DEFAULT_LIMITS, maxDepth: 100 });
  fc.assert(
    fc.property(plain, (value) => {
      assert.deepEqual(roundTrip(codec, { value }), { value: normal(value) });
    }),
    { numRuns: 1_000 },
  );
});

/** What msgpack cannot tell apart: -0 is 0. */
function normal(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, normal(inner)]));
  return value;
}

test('Codec: bytes come back as bytes, fields that are undefined not at all', () => {
  const codec = new Codec(DEFAULT_LIMITS);
  assert.deepEqual(roundTrip(codec, { a: undefined, b: Buffer.from('secret'), c: new Uint8Array([1]) }), {
    b: Buffer.from('secret'),
    c: Buffer.from([1]),
  });
});

test('Codec.encode wipes what it built, also when the frame is refused', () => {
  const codec = new Codec({ ...DEFAULT_LIMITS, maxFrameBytes: 100 });
  let seen: Buffer | undefined;
  let range = [0, 0];
  codec.encode({ key: 'hunter2' }, (bytes, start, end) => {
    seen = bytes;
    range = [start, end];
    assert.ok(bytes.subarray(start, end).includes('hunter2'));
  });
  assert.ok(seen !== undefined && seen.subarray(range[0], range[1]).every((byte) => byte === 0));
  assert.throws(() => codec.encode({ key: `hunter3${'x'.repeat(100)}` }, () => assert.fail('not taken')), { code: 'frame_too_large' });
  assert.equal(seen.includes('hunter3'), false);
});

test('Codec.decode reads a frame in the middle of a buffer', () => {
  const codec = new Codec(DEFAULT_LIMITS);
  const bytes = Buffer.from('ffff 81a16101 ffff'.replaceAll(' ', ''), 'hex');
  assert.deepEqual(codec.decode(bytes, 2, 6), { a: 1 });
  assert.throws(() => codec.decode(bytes, 2, 5), { code: 'malformed_frame' });
  assert.throws(() => codec.decode(bytes, 2, 7), { code: 'malformed_frame' });
});
