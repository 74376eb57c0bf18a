// SPDX-License-Identifier: Apache-2.0
import type { UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';

/** The secrets of a bundle by name. Throws when there is none of that name. */
export type SecretOf = (name: string) => SecretBytes;

/** Secrets shorter than this are not searched for in answers: they would be found everywhere. */
export const SEARCHED_SECRET_BYTES = 8;

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

/** Other spellings of a secret: in a query as we write it and as a server may write it again, and in JSON with `/` escaped. */
function escapedIn(secret: Buffer): SecretBytes[] {
  const plain = secret.toString('latin1');
  const escaped = encodeURIComponent(plain);
  const forms = new Set([escaped, escaped.replace(/%../g, (one) => one.toLowerCase()), plain.replaceAll('/', String.raw`\/`)]);
  forms.delete(plain);
  return [...forms].map((form) => SecretBytes.from(Buffer.from(form)));
}

/** base64 of `user:secret`, as bytes. */
function basicOf(user: string, secret: Buffer): SecretBytes {
  using plain = joined([text(`${user}:`), secret]);
  const groups = Math.ceil(plain.length / 3);
  const out = Buffer.allocUnsafeSlow(groups * 4);
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
  const bytes = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(bytes, at);
  return SecretBytes.from(bytes);
}

function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}
