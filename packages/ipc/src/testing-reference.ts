// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';

/** Why the reference refuses a frame. */
export class Refused extends Error {}

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * A second reading of what a frame may hold, written from the msgpack specification and the rules of this wire, and for nothing but
 * comparison: slow, recursive, without limits but depth. `exact` is false when a text is not UTF-8 (decoders may differ in what they
 * put for it).
 */
export function referenceDecode(bytes: Buffer, maxDepth: number): { readonly value: unknown; readonly exact: boolean } {
  let position = 0;
  let exact = true;

  function take(length: number): Buffer {
    if (position + length > bytes.length) throw new Refused('it ends early');
    position += length;
    return bytes.subarray(position - length, position);
  }
  function uint(length: number): number {
    return take(length).readUIntBE(0, length);
  }
  function text(length: number): string {
    const raw = take(length);
    exact &&= isUtf8(raw);
    return raw.toString('utf8');
  }
  function array(count: number, depth: number): unknown[] {
    if (depth >= maxDepth) throw new Refused('too deep');
    const values: unknown[] = [];
    for (let index = 0; index < count; index += 1) values.push(value(depth + 1));
    return values;
  }
  function key(): string {
    const token = uint(1);
    const length = token >= 0xa0 && token < 0xc0 ? token & 0x1f : token >= 0xd9 && token <= 0xdb ? uint(2 ** (token - 0xd9)) : -1;
    if (length < 0) throw new Refused('a key that is no text');
    const raw = take(length);
    if (!isUtf8(raw)) throw new Refused('a key that is not UTF-8');
    return raw.toString('utf8');
  }
  function map(count: number, depth: number): Record<string, unknown> {
    if (depth >= maxDepth) throw new Refused('too deep');
    const found = new Map<string, unknown>();
    for (let index = 0; index < count; index += 1) {
      const name = key();
      if (FORBIDDEN.has(name) || found.has(name)) throw new Refused(`the key ${name}`);
      found.set(name, value(depth + 1));
    }
    return Object.fromEntries(found);
  }
  function integer(big: bigint): number | bigint {
    // msgpackr's bound: one more than the safe integers in each direction, which is exact too.
    return big >= -(2n ** 53n) && big <= 2n ** 53n ? Number(big) : big;
  }
  function value(depth: number): unknown {
    const token = uint(1);
    if (token < 0x80) return token;
    if (token < 0x90) return map(token & 0x0f, depth);
    if (token < 0xa0) return array(token & 0x0f, depth);
    if (token < 0xc0) return text(token & 0x1f);
    if (token >= 0xe0) return token - 0x100;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return Buffer.from(take(uint(2 ** (token - 0xc4))));
      case 0xca:
        return take(4).readFloatBE();
      case 0xcb:
        return take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return uint(2 ** (token - 0xcc));
      case 0xcf:
        return integer(take(8).readBigUInt64BE());
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const length = 2 ** (token - 0xd0);
        return take(length).readIntBE(0, length);
      }
      case 0xd3:
        return integer(take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return text(uint(2 ** (token - 0xd9)));
      case 0xdc:
      case 0xdd:
        return array(uint(2 ** (token - 0xdb)), depth);
      case 0xde:
      case 0xdf:
        return map(uint(2 ** (token - 0xdd)), depth);
      default:
        throw new Refused(`type byte ${token}`);
    }
  }

  const result = value(0);
  if (position !== bytes.length) throw new Refused('bytes follow');
  return { value: result, exact };
}
