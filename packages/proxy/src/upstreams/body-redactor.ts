// SPDX-License-Identifier: Apache-2.0

/** What stands in a body in the place of each byte of a key: its length stays what the answer's head says. */
const BLANK = 0x2a;
/**
 * Bytes of a key at the end of a piece that make it worth holding them back until the next one shows whether it goes on. Fewer go out at
 * once, so that text that happens to end in the first letter of a key is never late; of a key that is cut there, as many are seen.
 */
const HELD_FROM = 4;
/** No key has such a byte: the needle is out of use. */
const ZEROED = 0;
const NOTHING = Buffer.alloc(0);

/**
 * Blanks keys in a body that comes in pieces, wherever the pieces are cut. Looks for the bytes of the needles and nothing else: what is
 * compressed, encoded or cut by ranges is not found. Nothing is copied unless a piece ends in what may be the beginning of a key.
 */
export class BodyRedactor {
  readonly #needles: readonly Buffer[];
  /** The end of what came before, when a key may begin in it. */
  #before: Buffer = NOTHING;
  /** How many bytes of it have gone out. */
  #gone = 0;

  /** The needles are read at each piece and stay the caller's. */
  constructor(needles: readonly Buffer[]) {
    this.#needles = needles;
  }

  /** What may go out now; perhaps nothing. Blanks in place: the piece is the redactor's from now on. */
  push(piece: Buffer): Buffer {
    const bytes = this.#before.length === 0 ? piece : Buffer.concat([this.#before, piece]);
    const gone = this.#gone;
    this.#blank(bytes);
    const open = this.#openAtEnd(bytes);
    const held = open < HELD_FROM ? 0 : open;
    // Of what has gone out, nothing is taken back.
    const end = Math.max(gone, bytes.length - held);
    this.#before = open === 0 ? NOTHING : Buffer.from(bytes.subarray(bytes.length - open));
    this.#gone = open - (bytes.length - end);
    return bytes.subarray(gone, end);
  }

  /** What was held back and turned out to be no key. */
  end(): Buffer {
    return this.#before.subarray(this.#gone);
  }

  #blank(bytes: Buffer): void {
    let spans: [start: number, end: number][] | undefined;
    for (const needle of this.#needles) {
      if (needle[0] === ZEROED) continue;
      for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + needle.length)) {
        (spans ??= []).push([at, at + needle.length]);
      }
    }
    // Only when all are found: one may lie across another.
    for (const [start, end] of spans ?? []) bytes.fill(BLANK, start, end);
  }

  /** The longest end of `bytes` that a needle begins with, and is not whole. */
  #openAtEnd(bytes: Buffer): number {
    let longest = 0;
    for (const needle of this.#needles) {
      const first = needle[0] as number;
      if (first === ZEROED) continue;
      const earliest = Math.max(0, bytes.length - needle.length + 1);
      for (let at = bytes.indexOf(first, earliest); at !== -1; at = bytes.indexOf(first, at + 1)) {
        const length = bytes.length - at;
        if (length <= longest) break;
        if (bytes.compare(needle, 0, length, at) === 0) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}
