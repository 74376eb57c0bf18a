// SPDX-License-Identifier: Apache-2.0
import { SEQUENCE_MAX_BYTES, STRING_MAX_BYTES } from './limits.ts';
import { keepEscape, keptControlSequence } from './sequence-rules.ts';

type State = 'ground' | 'character' | 'escape' | 'control' | 'control-ignored' | 'string';

const ESCAPE = 0x1b;
/** U+FFFD in UTF-8: what stands for bytes that are not UTF-8. */
const REPLACEMENT = Buffer.from([0xef, 0xbf, 0xbd]);
/** BEL, BS, HT, LF, VT, FF, CR, SO, SI. Not ENQ (0x05), to which a terminal answers. */
const SHOWN_CONTROLS_FIRST = 0x07;
const SHOWN_CONTROLS_LAST = 0x0f;

/**
 * Filters a payload's output on its way to an operator's terminal, so that the payload can paint and move the cursor but cannot make the
 * terminal type, copy, print, retitle or change how it reads bytes. A stream: state is kept between calls, and however the input is cut,
 * the joined output is the same. What comes out is valid UTF-8. Memory: one sequence (`SEQUENCE_MAX_BYTES`).
 *
 * Dropped: OSC (titles, colours, clipboard, links), DCS, APC, PM, SOS, every query, 8-bit controls in both spellings (0x9b, U+009B),
 * unknown sequences. Invalid UTF-8 becomes U+FFFD. The list of what stays is in `sequence-rules.ts`.
 */
export class TerminalSanitizer {
  #state: State = 'ground';
  /** The sequence or character that is being read, without its introducer. */
  #pending: number[] = [];
  /** Continuation bytes still to come of the character in `#pending` or, in a string, of the one being skipped. */
  #missing = 0;
  #stringLength = 0;
  #stringIsOsc = false;
  #out = Buffer.alloc(0);
  #length = 0;

  /** The part of `bytes` (and of what was held back) that may be shown now. The result is the caller's. */
  push(bytes: Uint8Array): Buffer {
    // One byte becomes three at most (U+FFFD); what was pending is shorter than a sequence.
    this.#out = Buffer.allocUnsafe(bytes.length * 3 + SEQUENCE_MAX_BYTES + 8);
    this.#length = 0;
    let index = 0;
    while (index < bytes.length) {
      if (this.#state === 'ground') {
        const end = plainEnd(bytes, index);
        if (end > index) {
          this.#out.set(bytes.subarray(index, end), this.#length);
          this.#length += end - index;
          index = end;
          continue;
        }
      }
      this.#step(bytes[index]!);
      index += 1;
    }
    return this.#out.subarray(0, this.#length);
  }

  /** At the end of the stream: U+FFFD for half a character; an unfinished sequence is dropped. The sanitizer is as new afterwards. */
  end(): Buffer {
    const half = this.#state === 'character';
    this.#enter('ground');
    return half ? Buffer.from(REPLACEMENT) : Buffer.alloc(0);
  }

  #enter(state: State): void {
    this.#state = state;
    this.#pending = [];
    this.#missing = 0;
  }

  #emit(...bytes: readonly number[]): void {
    for (const byte of bytes) this.#out[this.#length++] = byte;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case 'ground':
        return this.#ground(byte);
      case 'character':
        return this.#character(byte);
      case 'escape':
        return this.#escape(byte);
      case 'control':
      case 'control-ignored':
        return this.#control(byte);
      case 'string':
        return this.#string(byte);
    }
  }

  #ground(byte: number): void {
    if (byte === ESCAPE) this.#enter('escape');
    else if (byte < 0x20) this.#c0(byte);
    else if (byte < 0x7f) this.#emit(byte);
    else if (byte === 0x7f) return;
    else if (byte < 0xa0) this.#c1(byte);
    else {
      const missing = continuationBytes(byte);
      if (missing === 0) return this.#emit(...REPLACEMENT);
      this.#enter('character');
      this.#pending.push(byte);
      this.#missing = missing;
    }
  }

  #c0(byte: number): void {
    if (byte >= SHOWN_CONTROLS_FIRST && byte <= SHOWN_CONTROLS_LAST) this.#emit(byte);
  }

  #c1(byte: number): void {
    if (byte === 0x9b) this.#enter('control');
    else if (byte === 0x90 || byte === 0x98 || (byte >= 0x9d && byte <= 0x9f)) this.#enterString(byte === 0x9d);
    else this.#enter('ground');
  }

  #character(byte: number): void {
    if (!continues(this.#pending, byte)) {
      this.#emit(...REPLACEMENT);
      this.#enter('ground');
      return this.#ground(byte);
    }
    this.#pending.push(byte);
    this.#missing -= 1;
    if (this.#missing > 0) return;
    // U+0080–U+009F: terminals decode first and then obey.
    if (this.#pending[0] === 0xc2 && byte < 0xa0) return this.#c1(byte);
    this.#emit(...this.#pending);
    this.#enter('ground');
  }

  /** Whether a byte is no part of an escape or control sequence; it has its own effect then, amid the sequence or instead of it. */
  #interrupts(byte: number): boolean {
    if (byte >= 0x20 && byte < 0x7f) return false;
    if (byte === ESCAPE) this.#enter('escape');
    else if (byte === 0x18 || byte === 0x1a) this.#enter('ground');
    else if (byte < 0x20) this.#c0(byte);
    else if (byte > 0x7f) {
      this.#enter('ground');
      this.#ground(byte);
    }
    return true;
  }

  #escape(byte: number): void {
    if (this.#interrupts(byte)) return;
    if (byte < 0x30) {
      if (this.#pending.length < SEQUENCE_MAX_BYTES) this.#pending.push(byte);
      return;
    }
    const intermediates = String.fromCharCode(...this.#pending);
    const final = String.fromCharCode(byte);
    if (intermediates === '') {
      if (final === '[') return this.#enter('control');
      // `ESC k` … `ESC \` is the title string of screen and tmux.
      if ('P]X^_k'.includes(final)) return this.#enterString(final === ']');
    }
    if (keepEscape(intermediates, final)) this.#emit(ESCAPE, ...this.#pending, byte);
    this.#enter('ground');
  }

  #control(byte: number): void {
    if (this.#interrupts(byte)) return;
    if (this.#state === 'control') {
      this.#pending.push(byte);
      if (this.#pending.length >= SEQUENCE_MAX_BYTES) this.#enter('control-ignored');
    }
    if (byte < 0x40) return;
    if (this.#state === 'control') {
      const kept = keptControlSequence(String.fromCharCode(...this.#pending));
      if (kept !== null) this.#emit(ESCAPE, 0x5b, ...Buffer.from(kept, 'latin1'));
    }
    this.#enter('ground');
  }

  #enterString(osc: boolean): void {
    this.#enter('string');
    this.#stringLength = 0;
    this.#stringIsOsc = osc;
  }

  /** Nothing of a string was shown, so it may end wherever we like: too early shows its rest as text. */
  #string(byte: number): void {
    if (byte === ESCAPE) return this.#enter('escape'); // the `\` of `ESC \` is dropped there
    if (byte === 0x18 || byte === 0x1a) return this.#enter('ground');
    if (byte === 0x07 && this.#stringIsOsc) return this.#enter('ground');
    if ((byte === 0x0a || byte === 0x0d) && this.#stringIsOsc) {
      // No honest OSC holds a line end; one that was never ended must not swallow the screen.
      this.#enter('ground');
      return this.#ground(byte);
    }
    this.#stringLength += 1;
    if (this.#stringLength >= STRING_MAX_BYTES) return this.#enter('ground');
    if (this.#missing > 0 && byte >= 0x80 && byte < 0xc0) {
      this.#missing -= 1;
      if (this.#pending[0] === 0xc2 && byte === 0x9c) this.#enter('ground');
      return;
    }
    if (byte === 0x9c) return this.#enter('ground');
    this.#missing = continuationBytes(byte);
    this.#pending = [byte];
  }
}

/** Where the run of bytes that need no thought ends: printable ASCII, tab, line feed, carriage return. */
function plainEnd(bytes: Uint8Array, start: number): number {
  let index = start;
  while (index < bytes.length) {
    const byte = bytes[index]!;
    if ((byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || byte > 0x7e) break;
    index += 1;
  }
  return index;
}

/** How many continuation bytes follow this lead byte; 0 when it leads nothing (RFC 3629: no overlong 0xc0, 0xc1, nothing above 0xf4). */
function continuationBytes(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) return 2;
  if (lead >= 0xf0 && lead <= 0xf4) return 3;
  return 0;
}

/** Whether `byte` may follow `pending` (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
function continues(pending: readonly number[], byte: number): boolean {
  if (pending.length > 1) return byte >= 0x80 && byte <= 0xbf;
  const lead = pending[0];
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return byte >= least && byte <= most;
}
