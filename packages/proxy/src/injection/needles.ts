// SPDX-License-Identifier: Apache-2.0
import type { UpstreamRule } from '@bureau/protocol';
import type { SecretBytes } from '@bureau/secret';
import { SEARCHED_SECRET_BYTES, basicOf, type SecretOf } from './key-lines.ts';
import { spellingsOf } from './spellings.ts';

/** Bytes that an answer must not hold. Of a key that was disposed of they are zeros, and out of use. */
export interface Needle {
  readonly bytes: Buffer;
  /** A part that it has in common with needles beside it: where that is not, none of them is, and one search does for all. */
  readonly anchor: Buffer | undefined;
}

/** What is looked for of one upstream's keys, and its end. */
export interface Needles extends Disposable {
  readonly list: readonly Needle[];
}

/** No key has such a byte: the needle is out of use. */
const ZEROED = 0;
/** A shorter part would be found too often to save a search. */
const ANCHOR_LEAST = 5;

/** What of the static injections an answer must not hold: each secret, as it is and in other spellings, and what Basic makes of one. */
export function needlesOf(rule: UpstreamRule, names: readonly string[], secretOf: SecretOf): Needles {
  const groups: SecretBytes[][] = names.flatMap((name) => {
    const [escaped, ...encoded] = spellingsOf(secretOf(name).bytes);
    return [[secretOf(name).clone(), ...(escaped ?? [])], ...encoded];
  });
  for (const one of rule.inject) if ('basic' in one) groups.push([basicOf(one.basic, secretOf(one.secret).bytes)]);
  return {
    list: groups.flatMap((group) => needlesOfGroup(group.filter(({ length }) => length >= SEARCHED_SECRET_BYTES))),
    [Symbol.dispose]: () => {
      for (const secret of groups.flat()) secret[Symbol.dispose]();
    },
  };
}

/** These bytes, to be looked for by themselves. */
export function needleOf(bytes: Buffer): Needle {
  return { bytes, anchor: undefined };
}

/** Those of the needles that may stand in these bytes: what is left out is certainly not there. */
export function needlesIn(bytes: Buffer, needles: readonly Needle[]): readonly Needle[] {
  let anchor: Buffer | undefined;
  let isThere = true;
  return needles.filter((needle) => {
    if (needle.bytes[0] === ZEROED) return false;
    if (needle.anchor !== anchor) {
      anchor = needle.anchor;
      isThere = anchor === undefined || bytes.indexOf(anchor) !== -1;
    }
    return isThere && bytes.indexOf(needle.bytes) !== -1;
  });
}

/** The anchor is a part of the first one's own bytes, and ends with them. */
function needlesOfGroup(group: readonly SecretBytes[]): readonly Needle[] {
  const [first] = group;
  const anchor = first === undefined || group.length === 1 ? undefined : anchorOf(first.bytes);
  return group.map(({ bytes }) => ({ bytes, anchor }));
}

/** The longest run of letters and digits: every spelling leaves these as they are. */
function anchorOf(bytes: Buffer): Buffer | undefined {
  let longest = bytes.subarray(0, 0);
  for (let start = 0, end = 0; end <= bytes.length; end += 1) {
    if (isPlain(bytes[end])) continue;
    if (end - start > longest.length) longest = bytes.subarray(start, end);
    start = end + 1;
  }
  return longest.length >= ANCHOR_LEAST ? longest : undefined;
}

function isPlain(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a));
}
