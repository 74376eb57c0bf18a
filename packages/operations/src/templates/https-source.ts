// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { BureauError, UsageError } from '@bureau/core';
import { REDIRECTS_MAX, SOURCE_MAX_BYTES, SOURCE_MILLISECONDS } from './limits.ts';

export interface HttpsOptions {
  readonly signal: AbortSignal;
  /** For tests: the certificate of an authority to believe instead of the system's. */
  readonly ca?: string;
}

/**
 * The text behind an https URL. The server's certificate is verified, whatever the environment says; redirects stay within https; size
 * and time are bound. `#sha256=HEX` pins the bytes: others are refused. Throws `source_refused` for a URL that is none of these,
 * `source_unreachable`, `source_too_large`, `source_changed`.
 */
export async function readHttps(url: string, { signal, ca }: HttpsOptions): Promise<string> {
  const { address, pin } = parseSourceUrl(url);
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(SOURCE_MILLISECONDS)]);
  let at = address;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const answer = await get(at, { signal: deadline, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) });
    const { statusCode = 0, headers } = answer;
    if (statusCode === 200) return checked(await bytesOf(answer, at), pin, at);
    answer.destroy();
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined)
      throw new BureauError('source_unreachable', `Expected a template at ${at.href}, and the server answered ${statusCode}`);
    at = redirected(at, headers.location);
  }
  throw new BureauError('source_unreachable', `Expected a template at ${address.href}, found more than ${REDIRECTS_MAX} redirects`);
}

/** An https URL and what its fragment pins. Pure. Throws `source_refused`. */
export function parseSourceUrl(text: string): { readonly address: URL; readonly pin: string | undefined } {
  const address = URL.parse(text);
  if (address === null || address.protocol !== 'https:' || address.username !== '' || address.password !== '')
    throw new UsageError(
      'source_refused',
      `Cannot use ${JSON.stringify(text.slice(0, 200))} as a source: expected an https URL without a user in it`,
    );
  const { hash } = address;
  address.hash = '';
  if (hash === '') return { address, pin: undefined };
  const [, pin] = /^#sha256=([0-9a-f]{64})$/.exec(hash) ?? [];
  if (pin === undefined)
    throw new UsageError(
      'source_refused',
      `Cannot use ${JSON.stringify(hash.slice(0, 100))}: expected "#sha256=" and 64 of 0-9 and a-f, or nothing`,
    );
  return { address, pin };
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  if (to?.protocol === 'https:' && to.username === '' && to.password === '') return to;
  throw new BureauError('source_refused', `${from.href} leads to another place than an https URL; it is not followed`);
}

function get(url: URL, options: RequestOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request(url, { ...options, headers: { accept: 'application/json, text/plain, */*' } }, resolve)
    .on('error', (cause: Error) => reject(unreachable(url, cause)))
    .end();
  return promise;
}

async function bytesOf(answer: IncomingMessage, from: URL): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of answer) {
      size += (piece as Buffer).length;
      if (size > SOURCE_MAX_BYTES) throw new BureauError('source_too_large', `Expected at most ${SOURCE_MAX_BYTES} bytes at ${from.href}`);
      pieces.push(piece as Buffer);
    }
  } catch (error) {
    throw error instanceof BureauError ? error : unreachable(from, error);
  }
  return Buffer.concat(pieces);
}

function checked(bytes: Buffer, pin: string | undefined, from: URL): string {
  const found = createHash('sha256').update(bytes).digest('hex');
  if (pin !== undefined && pin !== found)
    throw new BureauError('source_changed', `What ${from.href} gives is not what was pinned: expected sha256 ${pin}, found ${found}`);
  return bytes.toString('utf8');
}

function unreachable(url: URL, cause: unknown): BureauError {
  const why = cause instanceof Error ? cause.message : 'no answer';
  return new BureauError('source_unreachable', `Cannot read ${url.href}: ${why.slice(0, 300)}`, { cause });
}
