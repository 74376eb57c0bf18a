// SPDX-License-Identifier: Apache-2.0
import { SecretBytes } from '@bureau/secret';

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const LOWER = '0123456789abcdef';
const UPPER = '0123456789ABCDEF';
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64_URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** True for what `encodeURIComponent` leaves as it is. */
const UNESCAPED = membersOf(/[A-Za-z0-9\-_.!~*'()]/);
/**
 * What JSON encoders write as `\u00XX` though they need not, so that the text is safe in HTML: none; Go and Rails; Gson; .NET. Each with and without
 * the escaped slash of PHP.
 */
const HTML_UNSAFE = [/(?!)/, /[<>&]/, /[<>&'=]/, /[<>&'+`"]/].map(membersOf);

/**
 * Other spellings of a secret: in a query as we write it and as a server may write it again, in JSON as usual encoders write it, and in base64
 * wherever it begins there. Those of a group have the same letters and digits in a row; the first group is of escapes, and has the secret's own. Bytes
 * outside of V8's heap all the way: a string could not be zeroed. The caller owns them.
 */
export function spellingsOf(secret: Buffer): SecretBytes[][] {
  const inBase64 = [0, 1, 2].map((before) => different([BASE64, BASE64_URL].map((alphabet) => base64Inside(secret, before, alphabet))));
  return [different(escapes(secret), secret), ...inBase64];
}

/** Each once, and none that is as the secret itself. */
function different(forms: Iterable<Buffer>, secret?: Buffer): SecretBytes[] {
  const found: SecretBytes[] = [];
  for (const form of forms) {
    if (secret?.equals(form) === true || found.some(({ bytes }) => bytes.equals(form))) form.fill(0);
    else found.push(SecretBytes.from(form));
  }
  return found;
}

/** base64 of these bytes, padded. */
export function base64Of(bytes: Buffer, alphabet = BASE64): Buffer {
  const groups = Math.ceil(bytes.length / 3);
  const out = offHeap(groups * 4);
  for (let group = 0; group < groups; group += 1) {
    const [a = 0, b, c] = [bytes[group * 3], bytes[group * 3 + 1], bytes[group * 3 + 2]];
    const bits = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    for (let digit = 0; digit < 4; digit += 1) out[group * 4 + digit] = alphabet.charCodeAt((bits >> (18 - digit * 6)) & 63);
    if (b === undefined) out[group * 4 + 2] = 61;
    if (c === undefined) out[group * 4 + 3] = 61;
  }
  return out;
}

/** Zeros outside of V8's heap, where small buffers lie otherwise and leave copies behind when they are moved. */
export function offHeap(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

function* escapes(secret: Buffer): Generator<Buffer, void> {
  for (const digits of [UPPER, LOWER]) yield percentEscaped(secret, digits);
  for (const unsafe of HTML_UNSAFE)
    for (const digits of [LOWER, UPPER]) for (const escapesSlash of [true, false]) yield jsonEscaped(secret, unsafe, digits, escapesSlash);
}

/** What `encodeURIComponent` makes of latin1 text. */
function percentEscaped(secret: Buffer, digits: string): Buffer {
  const out = offHeap(secret.length * 6);
  let end = 0;
  const escape = (byte: number): void => {
    out[end++] = PERCENT;
    end = hexAt(out, end, byte, digits);
  };
  for (const byte of secret) {
    if (UNESCAPED[byte] === 1) out[end++] = byte;
    else if (byte < 0x80) escape(byte);
    else {
      escape(0xc0 | (byte >> 6));
      escape(0x80 | (byte & 63));
    }
  }
  return out.subarray(0, end);
}

function jsonEscaped(secret: Buffer, unsafe: Uint8Array, digits: string, escapesSlash: boolean): Buffer {
  const out = offHeap(secret.length * 6);
  let end = 0;
  for (const byte of secret) {
    if (unsafe[byte] === 1) {
      for (const one of [BACKSLASH, 0x75, 0x30, 0x30]) out[end++] = one;
      end = hexAt(out, end, byte, digits);
      continue;
    }
    if (byte === BACKSLASH || byte === 0x22 || (escapesSlash && byte === 0x2f)) out[end++] = BACKSLASH;
    out[end++] = byte;
  }
  return out.subarray(0, end);
}

/**
 * The digits of base64 that no neighbour has a part in, where the secret begins `before` bytes behind a group of three. Of its first and its last bytes, up to five
 * bits each are in digits beside these.
 */
function base64Inside(secret: Buffer, before: number, alphabet: string): Buffer {
  const plain = offHeap(before + secret.length);
  secret.copy(plain, before);
  const all = base64Of(plain, alphabet);
  plain.fill(0);
  const [start, end] = [Math.ceil((before * 8) / 6), Math.floor((plain.length * 8) / 6)];
  const inside = offHeap(end - start);
  all.copy(inside, 0, start, end);
  all.fill(0);
  return inside;
}

function hexAt(out: Buffer, at: number, byte: number, digits: string): number {
  out[at] = digits.charCodeAt(byte >> 4);
  out[at + 1] = digits.charCodeAt(byte & 15);
  return at + 2;
}

function membersOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (pattern.test(String.fromCharCode(byte)) ? 1 : 0));
}
