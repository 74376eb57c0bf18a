// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';

function damage(bytes: Buffer, [kind, first, second, some]: readonly [number, number, number, Uint8Array]): Buffer {
  const at = first % (bytes.length + 1);
  const until = at + (second % (bytes.length - at + 1));
  switch (kind) {
    case 0: // bits of one byte
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(bytes.subarray(at, at + 1)).map((byte) => byte ^ (1 << (second % 8))),
        bytes.subarray(at + 1),
      ]);
    case 1: // cut out
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(until)]);
    case 2: // put in
      return Buffer.concat([bytes.subarray(0, at), some, bytes.subarray(at)]);
    case 3: // twice
      return Buffer.concat([bytes.subarray(0, until), bytes.subarray(at)]);
    case 4: // another token
      return Buffer.concat([bytes.subarray(0, at), Buffer.of(0xc0 + (second % 0x20)), bytes.subarray(at + 1)]);
    default: // cut off
      return bytes.subarray(0, at);
  }
}

/** Width 0: the shortest, when the count fits; the others have 2 and 4 bytes. */
function header(short: number, tokens: readonly [number, number, number], width: number, count: number): Buffer {
  if (width === 0 && count < 16) return Buffer.of(short | count);
  const bytes = Buffer.alloc(width === 2 ? 5 : 3);
  bytes[0] = tokens[width] as number;
  if (width === 2) bytes.writeUInt32BE(count, 1);
  else bytes.writeUInt16BE(count, 1);
  return bytes;
}

function sized(tokens: readonly [number, number, number], width: number, body: Uint8Array): Buffer {
  const length = Buffer.alloc(2 ** width);
  length.writeUIntBE(body.length, 0, 2 ** width);
  return Buffer.concat([Buffer.of(tokens[width] as number), length, body]);
}

function textBytes(body: Uint8Array, width: number): Buffer {
  if (width === 3 && body.length < 32) return Buffer.concat([Buffer.of(0xa0 | body.length), body]);
  return sized([0xd9, 0xda, 0xdb], width % 3, body);
}

const width = fc.nat(3);
const words = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 5 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'type', 'then', '') },
);
const textOf = (content: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> =>
  fc.tuple(content, width).map(([body, kind]) => textBytes(body, kind));
const goodText = textOf(words.map((word) => Buffer.from(word).subarray(0, 250)));
const text = fc.oneof({ weight: 9, arbitrary: goodText }, { weight: 1, arbitrary: textOf(fc.uint8Array({ maxLength: 40 })) });
const binary = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(2)).map(([body, kind]) => sized([0xc4, 0xc5, 0xc6], kind, body));
const fixed = (token: number, length: number): fc.Arbitrary<Buffer> => {
  return fc.uint8Array({ minLength: length, maxLength: length }).map((body) => Buffer.concat([Buffer.of(token), body]));
};
/** Where decoders change their minds: the edges of safe integers, of signs, of floats. */
const EDGES = [
  ...[
    '001fffffffffffff',
    '0020000000000000',
    '0020000000000001',
    '7fffffffffffffff',
    '8000000000000000',
    'ffe0000000000000',
    'ffdfffffffffffff',
  ].flatMap((digits) => [`cf${digits}`, `d3${digits}`]),
  ...['7ff8000000000000', '7ff0000000000000', 'fff0000000000000', '8000000000000000', '0000000000000001', '4340000000000000'].map(
    (digits) => `cb${digits}`,
  ),
  ...['7fc00000', '7f800000', '80000000', '00000001', '3dcccccd'].map((digits) => `ca${digits}`),
];
const scalar = fc.oneof(
  fc.constantFrom(...EDGES.map((digits) => Buffer.from(digits, 'hex'))),
  fc.constantFrom(...[0x00, 0x7f, 0xe0, 0xff, 0xc0, 0xc2, 0xc3].map((token) => Buffer.of(token))),
  ...[fixed(0xcc, 1), fixed(0xcd, 2), fixed(0xce, 4), fixed(0xcf, 8), fixed(0xd0, 1), fixed(0xd1, 2), fixed(0xd2, 4), fixed(0xd3, 8)],
  ...[fixed(0xca, 4), fixed(0xcb, 8)],
);
const key = fc.oneof({ weight: 40, arbitrary: text }, { weight: 1, arbitrary: scalar });

/** A msgpack value as bytes, valid or nearly so, in any of the encodings that the format allows for it. */
export const msgpackBytes: fc.Arbitrary<Buffer> = fc.letrec<{ value: Buffer; array: Buffer; map: Buffer }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, text, binary, tie('array'), tie('map')),
  array: fc.tuple(fc.array(tie('value'), { maxLength: 6 }), fc.nat(2)).map(([values, width]) => {
    return Buffer.concat([header(0x90, [0xdc, 0xdc, 0xdd], width, values.length), ...values]);
  }),
  map: fc.tuple(fc.array(fc.tuple(key, tie('value')), { maxLength: 16 }), fc.nat(2)).map(([entries, width]) => {
    return Buffer.concat([header(0x80, [0xde, 0xde, 0xdf], width, entries.length), ...entries.flat()]);
  }),
})).value;

/** Bytes that were a value until something happened to them. */
export const damagedBytes: fc.Arbitrary<Buffer> = fc
  .tuple(msgpackBytes, fc.array(fc.tuple(fc.nat(5), fc.nat(), fc.nat(), fc.uint8Array({ maxLength: 8 })), { maxLength: 4 }))
  .map(([bytes, damages]) => damages.reduce<Buffer>(damage, bytes));
