// SPDX-License-Identifier: Apache-2.0
import type { UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';

/** The secrets of a bundle by name. Throws when there is none of that name. */
export type SecretOf = (name: string) => SecretBytes;

/** Secrets shorter than this are not searched for in answers: they would be found everywhere. */
export const SEARCHED_SECRET_BYTES = 8;

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
/** True for what `encodeURIComponent` leaves as it is. */
const UNESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => (/[A-Za-z0-9\-_.!~*'()]/.test(String.fromCharCode(byte)) ? 1 : 0));

/** The header of each static injection, in lower case. */
export function injectedHeaderNames(rule: UpstreamRule): readonly string[] {
  return rule.inject.flatMap((one) => {
    if ('header' in one) return [one.header.toLowerCase()];
    if ('cookie' in one) return ['cookie'];
    return 'basic' in one ? ['authorization'] : [];
  });
}

/**
 * The header lines of all static injections, each with its line end, as bytes: keys are never made strings on the way to an upstream
 * that speaks HTTP/1.1. Cookies are joined in one line. The caller owns what it gets.
 */
export function keyLines(rule: UpstreamRule, secretOf: SecretOf): SecretBytes {
  const parts: Buffer[] = [];
  const cookies: Buffer[] = [];
  using made = new DisposableStack();
  for (const one of rule.inject) {
    const secret = secretOf(one.secret).bytes;
    if ('header' in one) parts.push(text(`${one.header.toLowerCase()}: ${one.prefix}`), secret, text('\r\n'));
    else if ('cookie' in one) cookies.push(text(`${cookies.length === 0 ? '' : '; '}${one.cookie}=`), secret);
    else if ('basic' in one) parts.push(text('authorization: Basic '), made.use(basicOf(one.basic, secret)).bytes, text('\r\n'));
  }
  if (cookies.length > 0) parts.push(text('cookie: '), ...cookies, text('\r\n'));
  return joined(parts);
}

/** What of the static injections an answer must not hold: each secret, as it is and as it is escaped, and what Basic makes of one. The caller owns them. */
export function needlesOf(rule: UpstreamRule, names: readonly string[], secretOf: SecretOf): readonly SecretBytes[] {
  const found = names.flatMap((name) => [secretOf(name).clone(), ...escapedIn(secretOf(name).bytes)]);
  for (const one of rule.inject) if ('basic' in one) found.push(basicOf(one.basic, secretOf(one.secret).bytes));
  const searched = found.filter(({ length }) => length >= SEARCHED_SECRET_BYTES);
  for (const secret of found) if (!searched.includes(secret)) secret[Symbol.dispose]();
  return searched;
}

/**
 * Other spellings of a secret: in a query as we write it and as a server may write it again, and in JSON with `/` escaped. Bytes all the
 * way: a string could not be zeroed.
 */
function escapedIn(secret: Buffer): SecretBytes[] {
  const found: SecretBytes[] = [];
  for (const form of [percentEscaped(secret, '0123456789ABCDEF'), percentEscaped(secret, '0123456789abcdef'), slashesEscaped(secret)]) {
    if (form.length > secret.length && !found.some(({ bytes }) => bytes.equals(form))) found.push(SecretBytes.from(form));
    else form.fill(0);
  }
  return found;
}

/** What `encodeURIComponent` makes of latin1 text. */
function percentEscaped(secret: Buffer, digits: string): Buffer {
  const out = offHeap(secret.length * 6);
  let end = 0;
  const escape = (byte: number): void => {
    out[end] = 0x25;
    out[end + 1] = digits.charCodeAt(byte >> 4);
    out[end + 2] = digits.charCodeAt(byte & 15);
    end += 3;
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

function slashesEscaped(secret: Buffer): Buffer {
  const out = offHeap(secret.length * 2);
  let end = 0;
  for (const byte of secret) {
    if (byte === SLASH) out[end++] = BACKSLASH;
    out[end++] = byte;
  }
  return out.subarray(0, end);
}

/** base64 of `user:secret`, as bytes. */
function basicOf(user: string, secret: Buffer): SecretBytes {
  using plain = joined([text(`${user}:`), secret]);
  const groups = Math.ceil(plain.length / 3);
  const out = offHeap(groups * 4);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const bytes = plain.bytes;
  for (let group = 0; group < groups; group += 1) {
    const [a = 0, b, c] = [bytes[group * 3], bytes[group * 3 + 1], bytes[group * 3 + 2]];
    const bits = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    for (let digit = 0; digit < 4; digit += 1) out[group * 4 + digit] = alphabet.charCodeAt((bits >> (18 - digit * 6)) & 63);
    if (b === undefined) out[group * 4 + 2] = 61;
    if (c === undefined) out[group * 4 + 3] = 61;
  }
  return SecretBytes.from(out);
}

function joined(parts: readonly Buffer[]): SecretBytes {
  const bytes = offHeap(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(bytes, at);
  return SecretBytes.from(bytes);
}

/** Zeros outside of V8's heap, where small buffers lie otherwise and leave copies behind when they are moved. */
function offHeap(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}
