// SPDX-License-Identifier: Apache-2.0
import { needlesIn, type Needle } from '../injection/needles.ts';

/** What stands in a body in the place of each byte of a key: its length stays what the answer's head says. */
const BLANK = 0x2a;
/**
 * A piece that ends in so many characters of which keys are made waits with them for the next piece, whatever they are. The keys themselves must not decide:
 * an agent that has its own text said back would learn from what waits, letter by letter, how a key goes on. Words are shorter, and
 * events, lines and JSON end in something else; of a key that is cut before that, as many letters are seen.
 */
const WAITING_FROM = 12;
const NOTHING = Buffer.alloc(0);

/** True for what keys are made of, whichever they are: printable, and no quote, bracket or separator of the usual formats; a backslash, since JSON escapes by it. */
const IN_KEYS = Uint8Array.from({ length: 256 }, (_, byte) => (/[A-Za-z0-9!#$%&*+\-./:=?@_~\\]/.test(String.fromCharCode(byte)) ? 1 : 0));

/**
 * Blanks keys in a body that comes in pieces, wherever the pieces are cut. Looks for the bytes of the needles and nothing else: what is
 * compressed, encoded or cut by ranges is not found.
 */
export class BodyRedactor {
  readonly #needles: readonly Needle[];
  readonly #longest: number;
  readonly #waits: boolean;
  /** The end of what came before, when a key may have begun in it. */
  #before: Buffer = NOTHING;
  /** How many bytes of it have gone out. */
  #gone = 0;

  /** The needles are read at each piece and stay the caller's. Without `waits` all goes out at once, and what of a key came before a cut is seen. */
  constructor(needles: readonly Needle[], waits = true) {
    this.#needles = needles;
    this.#longest = Math.max(0, ...needles.map(({ bytes }) => bytes.length));
    this.#waits = waits;
  }

  /** What may go out now; perhaps nothing. Blanks in place: the piece is the redactor's from now on. */
  push(piece: Buffer): Buffer {
    const bytes = this.#before.length === 0 ? piece : Buffer.concat([this.#before, piece]);
    const gone = this.#gone;
    const run = this.#runAtEnd(bytes);
    blankIn(bytes, this.#needles);
    // Of what has gone out, nothing is taken back.
    const end = this.#waits && run >= WAITING_FROM ? Math.max(gone, bytes.length - run) : bytes.length;
    this.#before = run === 0 ? NOTHING : Buffer.from(bytes.subarray(bytes.length - run));
    this.#gone = run - (bytes.length - end);
    return bytes.subarray(gone, end);
  }

  /** What waited and is the end. */
  end(): Buffer {
    return this.#before.subarray(this.#gone);
  }

  /** How many bytes at the end are such as keys are made of; not more than a key can have before its last. */
  #runAtEnd(bytes: Buffer): number {
    const most = Math.min(bytes.length, this.#longest - 1);
    let run = 0;
    while (run < most && IN_KEYS[bytes[bytes.length - 1 - run] as number] === 1) run += 1;
    return run;
  }
}

/** Blanks the needles in these bytes. */
export function blankIn(bytes: Buffer, needles: readonly Needle[]): void {
  let spans: [start: number, end: number][] | undefined;
  for (const { bytes: needle } of needlesIn(bytes, needles)) {
    for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + needle.length)) {
      (spans ??= []).push([at, at + needle.length]);
    }
  }
  // Only when all are found: one may lie across another.
  for (const [start, end] of spans ?? []) bytes.fill(BLANK, start, end);
}
