// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from 'node:net';

/** An address as a number; `bits` says of which family. */
export interface IpAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** All addresses that share their first `prefix` bits. */
export interface IpRange extends IpAddress {
  readonly prefix: number;
}

/** Reads dotted decimal or IPv6 text. `undefined` for anything else: other spellings of IPv4, zone ids, brackets. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { bits: 32, value: ipv4Value(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { bits: 128, value: ipv6Value(text) };
}

/** Reads `address/prefix`, or an address as the range of itself. `undefined` when it is neither, or has bits beyond its prefix. */
export function parseIpRange(text: string): IpRange | undefined {
  const [addressText = '', prefixText] = text.split('/', 2);
  const address = parseIpAddress(addressText);
  if (address === undefined) return undefined;
  const prefix = prefixText === undefined ? address.bits : Number(prefixText);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > address.bits) return undefined;
  const range = { ...address, prefix };
  return (address.value & ((1n << BigInt(address.bits - prefix)) - 1n)) === 0n ? range : undefined;
}

/** True when `address` lies in `range`; families never mix. */
export function inRange(address: IpAddress, range: IpRange): boolean {
  const shift = BigInt(range.bits - range.prefix);
  return address.bits === range.bits && address.value >> shift === range.value >> shift;
}

/** True when all of `inner` lies in `outer`. */
export function rangeInside(inner: IpRange, outer: IpRange): boolean {
  return inner.prefix >= outer.prefix && inRange(inner, outer);
}

/** The one spelling of an address: dotted decimal, or IPv6 in lower case with its longest run of zeros left out, as URLs write it. */
export function formatIpAddress(address: IpAddress): string {
  const part = (width: bigint, index: number, count: number): number =>
    Number((address.value >> (width * BigInt(count - 1 - index))) & ((1n << width) - 1n));
  if (address.bits === 32) return Array.from({ length: 4 }, (_, index) => part(8n, index, 4)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => part(16n, index, 8));
  const run = longestZeroRun(groups);
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return run.length < 2 ? hex(0, 8) : `${hex(0, run.start)}::${hex(run.start + run.length, 8)}`;
}

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** `text` is known to be IPv6 without a zone. */
function ipv6Value(text: string): bigint {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  if (tail.includes('.')) {
    const low = ipv4Value(tail);
    return ipv6Value(`${text.slice(0, lastColon + 1)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
  }
  const [head = '', rest] = text.split('::', 2);
  const before = head === '' ? [] : head.split(':');
  const after = rest === undefined || rest === '' ? [] : rest.split(':');
  const zeros = rest === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (index - start + 1 > best.length) best = { start, length: index - start + 1 };
  });
  return best;
}
