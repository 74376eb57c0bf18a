// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { BureauError } from '@bureau/core';
import { Codec } from './codec.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Refused, referenceDecode } from './testing-reference.ts';

/** What a stream of bytes comes to: the values of its frames, then an error or the wait for more. */
export interface Outcome {
  readonly values: readonly unknown[];
  readonly end: 'whole' | 'pending' | 'malformed_frame' | 'frame_too_large';
}

/** Reads a stream as a connection does, in these pieces. */
export function outcomeOf(pieces: readonly Buffer[]): Outcome {
  const values: unknown[] = [];
  const codec = new Codec(DEFAULT_LIMITS);
  // Decoded bytes are views of the piece, which is not changed here.
  const decoder = new FrameDecoder(DEFAULT_LIMITS.maxFrameBytes, (bytes, start, end) => values.push(codec.decode(bytes, start, end)));
  try {
    for (const piece of pieces) decoder.push(piece);
  } catch (error) {
    assert.ok(error instanceof BureauError && (error.code === 'malformed_frame' || error.code === 'frame_too_large'), String(error));
    return { values, end: error.code };
  }
  return { values, end: decoder.pending ? 'pending' : 'whole' };
}

/** Cuts a stream at places that `seed` chooses. */
export function cut(bytes: Buffer, seed: readonly number[]): Buffer[] {
  const places = [...new Set(seed.map((number) => number % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

/** The bytes as one frame. */
export function framed(body: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(body.length);
  return Buffer.concat([prefix, body]);
}

/** The codec takes what the reference takes, with the same value, and nothing else; what it took it can send, and then takes it again. */
export function checkBody(body: Buffer): void {
  const expected = reference(body);
  let found: unknown;
  const codec = new Codec(DEFAULT_LIMITS);
  try {
    found = codec.decode(body, 0, body.length);
  } catch (error) {
    assert.ok(error instanceof BureauError && error.code === 'malformed_frame', `threw ${String(error)}`);
    assert.equal(expected, undefined, `refused what the reference takes: ${error.message}`);
    return;
  }
  assert.ok(expected !== undefined, 'took what the reference refuses');
  assertPlain(found);
  if (expected.exact) assert.deepEqual(found, expected.value);
  const again: unknown[] = [];
  codec.encode(found, (bytes, start, end) => again.push(codec.decode(Buffer.from(bytes.subarray(start, end)), 0, end - start)));
  assert.deepEqual(again, [withoutMinusZero(found)], 'sent and taken again');
  assert.deepEqual(Object.keys(Object.prototype), [], 'nothing reached the prototype of all objects');
}

/** A stream in pieces comes to what it comes to in one. */
export function checkStream(bytes: Buffer, seed: readonly number[]): void {
  assert.deepEqual(outcomeOf(cut(bytes, seed)), outcomeOf([bytes]));
}

function reference(body: Buffer): ReturnType<typeof referenceDecode> | undefined {
  try {
    return referenceDecode(body, DEFAULT_LIMITS.maxDepth);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

/** Nothing but what JSON has, byte strings and big integers; no prototype of somebody's choice. */
function assertPlain(value: unknown): void {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) {
    return assert.ok(!['function', 'symbol', 'undefined'].includes(typeof value), `a ${typeof value} came out`);
  }
  assert.ok([Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value)), 'an object of a class came out');
  for (const inner of Object.values(value)) assertPlain(inner);
}

/** msgpackr sends -0 as 0. */
function withoutMinusZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutMinusZero(inner)]));
}
