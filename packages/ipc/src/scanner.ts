// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import { BureauError } from '@bureau/core';

/** Maps up to this many keys are compared pair by pair; larger ones through a set. */
const PAIRWISE_KEYS = 12;
/** Keys that could reach an object's prototype. */
const FORBIDDEN_KEYS: readonly Buffer[] = ['__proto__', 'constructor', 'prototype'].map((key) => Buffer.from(key));

function refuse(message: string): never {
  throw new BureauError('malformed_frame', `Refused a frame: ${message}.`);
}

/**
 * Walks one msgpack value without building anything and refuses what a decoder must not see: truncated or trailing bytes, nesting
 * deeper than `maxDepth`, more than `maxValues` values (claimed counts included), extension types, keys that are not text, are not
 * UTF-8, occur twice, or are `__proto__`, `constructor` or `prototype`. Throws `malformed_frame`. Costs memory for keys only.
 */
export class MsgpackScanner {
  readonly #maxDepth: number;
  readonly #maxValues: number;
  #bytes: Uint8Array = new Uint8Array();
  #position = 0;
  #end = 0;
  #values = 0;
  /** Start and end of each key of the small maps that are open, innermost last. */
  #keys = new Int32Array(256);
  #keyTop = 0;

  constructor(limits: { readonly maxDepth: number; readonly maxValues: number }) {
    this.#maxDepth = limits.maxDepth;
    this.#maxValues = limits.maxValues;
  }

  /** Checks that `bytes[start, end)` is exactly one acceptable value. */
  check(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#values = 0;
    this.#keyTop = 0;
    this.#value(0);
    if (this.#position !== end) refuse(`${end - this.#position} bytes follow the value`);
  }

  #value(depth: number): void {
    const token = this.#byte();
    this.#values += 1;
    if (token < 0x80 || token >= 0xe0) return;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#skip(token & 0x1f);
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xc4: // bin 8
      case 0xd9: // str 8
        return this.#skip(this.#byte());
      case 0xc5: // bin 16
      case 0xda: // str 16
        return this.#skip(this.#uint16());
      case 0xc6: // bin 32
      case 0xdb: // str 32
        return this.#skip(this.#uint32());
      case 0xcc: // uint 8
      case 0xd0: // int 8
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xca: // float 32
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcb: // float 64
      case 0xcf:
      case 0xd3:
        return this.#skip(8);
      case 0xdc:
        return this.#array(this.#uint16(), depth);
      case 0xdd:
        return this.#array(this.#uint32(), depth);
      case 0xde:
        return this.#map(this.#uint16(), depth);
      case 0xdf:
        return this.#map(this.#uint32(), depth);
      default:
        return refuse(`type byte 0x${token.toString(16)} (an extension type, or never used) is not plain data`);
    }
  }

  #array(count: number, depth: number): void {
    this.#enter(count, count, depth);
    for (let index = 0; index < count; index += 1) this.#value(depth + 1);
  }

  #map(count: number, depth: number): void {
    this.#enter(count * 2, count, depth);
    const base = this.#keyTop;
    const seen = count > PAIRWISE_KEYS ? new Set<string>() : undefined;
    for (let index = 0; index < count; index += 1) {
      this.#key(base, seen);
      this.#value(depth + 1);
    }
    this.#keyTop = base;
  }

  /** Each entry needs a byte at least, so a claim beyond the bytes at hand is refused before anything is counted out. */
  #enter(leastBytes: number, count: number, depth: number): void {
    if (depth >= this.#maxDepth) refuse(`it nests deeper than ${this.#maxDepth} levels`);
    if (leastBytes > this.#end - this.#position) refuse(`a container claims ${count} entries, more than the frame has bytes for`);
    if (leastBytes > this.#maxValues - this.#values) refuse(`it holds more than ${this.#maxValues} values`);
  }

  #key(base: number, seen: Set<string> | undefined): void {
    const token = this.#byte();
    this.#values += 1;
    let length: number;
    if (token >= 0xa0 && token < 0xc0) length = token & 0x1f;
    else if (token === 0xd9) length = this.#byte();
    else if (token === 0xda) length = this.#uint16();
    else if (token === 0xdb) length = this.#uint32();
    else return refuse('a map has a key that is not text');
    const start = this.#position;
    this.#skip(length);
    const end = this.#position;
    this.#refuseUnsafeKey(start, end);
    if (seen === undefined) return this.#rememberKey(base, start, end);
    const text = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString('latin1');
    if (seen.has(text)) refuse('a map has the same key twice');
    seen.add(text);
  }

  #rememberKey(base: number, start: number, end: number): void {
    for (let index = base; index < this.#keyTop; index += 2) {
      if (this.#sameKey(this.#keys[index] as number, this.#keys[index + 1] as number, start, end)) refuse('a map has the same key twice');
    }
    if (this.#keyTop + 2 > this.#keys.length) {
      const grown = new Int32Array(this.#keys.length * 2);
      grown.set(this.#keys);
      this.#keys = grown;
    }
    this.#keys[this.#keyTop] = start;
    this.#keys[this.#keyTop + 1] = end;
    this.#keyTop += 2;
  }

  #sameKey(oldStart: number, oldEnd: number, start: number, end: number): boolean {
    const length = end - start;
    if (oldEnd - oldStart !== length) return false;
    for (let index = 0; index < length; index += 1) {
      if (this.#bytes[oldStart + index] !== this.#bytes[start + index]) return false;
    }
    return true;
  }

  /** Overlong UTF-8 would let a forbidden key pass as other bytes, so keys beyond ASCII are checked whole. */
  #refuseUnsafeKey(start: number, end: number): void {
    let beyondAscii = false;
    for (let index = start; index < end; index += 1) {
      if ((this.#bytes[index] as number) >= 0x80) {
        beyondAscii = true;
        break;
      }
    }
    if (beyondAscii && !isUtf8(this.#bytes.subarray(start, end))) refuse('a map has a key that is not UTF-8');
    const length = end - start;
    if (length !== 9 && length !== 11) return;
    for (const key of FORBIDDEN_KEYS) {
      if (key.length === length && key.compare(this.#bytes, start, end) === 0) refuse(`a map has the key "${key.toString()}"`);
    }
  }

  #byte(): number {
    if (this.#position >= this.#end) this.#truncated();
    const value = this.#bytes[this.#position] as number;
    this.#position += 1;
    return value;
  }

  #uint16(): number {
    return this.#byte() * 0x100 + this.#byte();
  }

  #uint32(): number {
    return this.#uint16() * 0x1_0000 + this.#uint16();
  }

  #skip(length: number): void {
    if (length > this.#end - this.#position) this.#truncated();
    this.#position += length;
  }

  #truncated(): never {
    refuse('it ends in the middle of a value');
  }
}
