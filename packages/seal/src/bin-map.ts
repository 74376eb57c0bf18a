// SPDX-License-Identifier: Apache-2.0
import { KEY_MAX_BYTES } from './limits.ts';

/**
 * A msgpack map of short ASCII strings to `bin`, and nothing else: the two shapes of a bundle. Written by hand because a general
 * encoder keeps what it wrote in a buffer of its own (secrets here), and a general decoder makes strings and objects of what a
 * stranger sent before anybody has looked at it.
 */

/** Encodes in the order of iteration, in a buffer of its own that the caller zeroes. Keys: ASCII, at most {@link KEY_MAX_BYTES}. */
export function encodeBinMap(entries: Iterable<readonly [string, Uint8Array]>): Buffer {
  const list = [...entries];
  const size = list.reduce((sum, [key, value]) => sum + 2 + key.length + 5 + value.length, 5);
  const scratch = Buffer.alloc(size);
  let at = 0;
  if (list.length < 16) at = scratch.writeUInt8(0x80 | list.length, at);
  else at = scratch.writeUInt16BE(list.length, scratch.writeUInt8(0xde, at));
  for (const [key, value] of list) {
    if (key.length < 32) at = scratch.writeUInt8(0xa0 | key.length, at);
    else at = scratch.writeUInt8(key.length, scratch.writeUInt8(0xd9, at));
    at += scratch.write(key, at, 'ascii');
    if (value.length < 2 ** 8) at = scratch.writeUInt8(value.length, scratch.writeUInt8(0xc4, at));
    else if (value.length < 2 ** 16) at = scratch.writeUInt16BE(value.length, scratch.writeUInt8(0xc5, at));
    else at = scratch.writeUInt32BE(value.length, scratch.writeUInt8(0xc6, at));
    scratch.set(value, at);
    at += value.length;
  }
  return scratch.subarray(0, at);
}

/**
 * The map in `bytes`; its values are views of `bytes`. `undefined` when it is anything else: other types, a key that is twice there,
 * too long or not ASCII, more than `maxEntries`, a length beyond the end, a byte left over.
 */
export function decodeBinMap(bytes: Buffer, maxEntries: number): Map<string, Buffer> | undefined {
  const reader = { bytes, at: 0 };
  const count = readLength(reader, MAP);
  if (count === undefined || count > maxEntries) return undefined;
  const map = new Map<string, Buffer>();
  for (let index = 0; index < count; index += 1) {
    const key = readPart(reader, readLength(reader, STRING));
    if (key === undefined || key.length > KEY_MAX_BYTES || key.some((byte) => byte < 0x20 || byte > 0x7e)) return undefined;
    const value = readPart(reader, readLength(reader, BIN));
    if (value === undefined || map.has(key.toString('ascii'))) return undefined;
    map.set(key.toString('ascii'), value);
  }
  return reader.at === bytes.length ? map : undefined;
}

interface Reader {
  readonly bytes: Buffer;
  at: number;
}

/** How a type's length is written: in the low bits of one byte, or in the 1, 2 or 4 bytes after it. */
interface Lengths {
  readonly short?: { readonly base: number; readonly mask: number };
  readonly wide: Readonly<Record<number, 1 | 2 | 4>>;
}

const MAP: Lengths = { short: { base: 0x80, mask: 0x0f }, wide: { 0xde: 2, 0xdf: 4 } };
const STRING: Lengths = { short: { base: 0xa0, mask: 0x1f }, wide: { 0xd9: 1, 0xda: 2, 0xdb: 4 } };
const BIN: Lengths = { wide: { 0xc4: 1, 0xc5: 2, 0xc6: 4 } };

function readLength(reader: Reader, type: Lengths): number | undefined {
  const first = reader.bytes[reader.at];
  if (first === undefined) return undefined;
  reader.at += 1;
  if (type.short !== undefined && (first & ~type.short.mask) === type.short.base) return first & type.short.mask;
  const width = type.wide[first];
  if (width === undefined || reader.at + width > reader.bytes.length) return undefined;
  reader.at += width;
  return reader.bytes.readUIntBE(reader.at - width, width);
}

function readPart(reader: Reader, length: number | undefined): Buffer | undefined {
  if (length === undefined || length > reader.bytes.length - reader.at) return undefined;
  reader.at += length;
  return reader.bytes.subarray(reader.at - length, reader.at);
}
