// SPDX-License-Identifier: Apache-2.0
import type { UpstreamRule } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import { base64Of, offHeap } from './spellings.ts';

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

/** base64 of `user:secret`, as bytes that the caller owns. */
export function basicOf(user: string, secret: Buffer): SecretBytes {
  using plain = joined([text(`${user}:`), secret]);
  return SecretBytes.from(base64Of(plain.bytes));
}

function joined(parts: readonly Buffer[]): SecretBytes {
  const bytes = offHeap(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(bytes, at);
  return SecretBytes.from(bytes);
}

function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}
