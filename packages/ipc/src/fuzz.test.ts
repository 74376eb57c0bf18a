// SPDX-License-Identifier: Apache-2.0
import { test } from 'node:test';
import fc from 'fast-check';
import { checkBody, checkStream, framed } from './testing-fuzz.ts';
import { damagedBytes, msgpackBytes } from './testing-msgpack.ts';

/** Longer and with other seeds: `script/node packages/ipc/src/testing-fuzz.main.ts SECONDS`. */
const RUNS = { numRuns: 2_000 };
const raw = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const places = fc.array(fc.nat(), { maxLength: 12 });

test('Codec agrees with the reference on random bytes', () => fc.assert(fc.property(raw, checkBody), RUNS));

test('Codec agrees with the reference on values in every encoding', () => fc.assert(fc.property(msgpackBytes, checkBody), RUNS));

test('Codec agrees with the reference on values that were damaged', () => fc.assert(fc.property(damagedBytes, checkBody), RUNS));

test('FrameDecoder and Codec come to the same, however a stream is cut', () => {
  const stream = fc
    .tuple(fc.array(damagedBytes.map(framed), { maxLength: 5 }), raw)
    .map(([frames, rest]) => Buffer.concat([...frames, rest]));
  fc.assert(fc.property(stream, places, checkStream), RUNS);
});
