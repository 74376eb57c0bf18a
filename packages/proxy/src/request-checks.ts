// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.ts';

/** Headers of which two would let two readers disagree. Node keeps the first without a word. */
const SINGLE_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'expect',
  'upgrade',
  'traceparent',
]);

/** A target in absolute form, which only clients of a proxy send. */
const ABSOLUTE_TARGET = /^[a-z][a-z0-9+.-]*:/i;

/** True when the request asks this socket to be a proxy for `http://…`. */
export function isAbsoluteTarget(request: IncomingMessage): boolean {
  return ABSOLUTE_TARGET.test(request.url ?? '');
}

/**
 * What Node's strict parser lets through and no socket of ours takes, whatever is asked for: throws a `Problem` that closes the
 * connection, 400 or 431.
 */
export function checkHead(request: IncomingMessage, headersMost: number): void {
  if (request.rawHeaders.length / 2 > headersMost) {
    throw new Problem(431, 'too_many_headers', `Expected at most ${headersMost} headers (limit requestHeaders); send fewer.`, {
      close: true,
    });
  }
  if (request.httpVersion !== '1.1' && request.httpVersion !== '1.0') {
    throw new Problem(400, 'invalid_http', 'Expected HTTP/1.1.', { close: true });
  }
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    throw new Problem(400, 'host_missing', 'Expected a Host header, of any value (for example "bureau").', { close: true });
  }
  const twice = repeatedHeader(request.rawHeaders);
  if (twice !== undefined) throw new Problem(400, 'repeated_header', `Expected header ${twice} once; send it once.`, { close: true });
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || request.httpVersion === '1.0')) {
    throw new Problem(
      400,
      'transfer_coding_unavailable',
      'Expected Transfer-Encoding to be "chunked" and nothing else, in HTTP/1.1; send the body as it is.',
      { close: true },
    );
  }
  if (!/^[\x21-\x7e]+$/.test(request.url ?? '')) {
    throw new Problem(400, 'invalid_target', 'Expected a request target of printable ASCII; percent-encode the rest.', { close: true });
  }
}

/** `checkHead`, and what holds for every request but CONNECT: a target in path or absolute form, and no change of protocol (426). */
export function checkRequest(request: IncomingMessage, headersMost: number, mayUpgrade = false): void {
  checkHead(request, headersMost);
  if (!(request.url ?? '').startsWith('/') && !isAbsoluteTarget(request)) {
    throw new Problem(400, 'invalid_target', 'Expected a request target that starts with "/".', { close: true });
  }
  if (request.headers.upgrade !== undefined && !mayUpgrade) {
    throw new Problem(
      426,
      'upgrade_unavailable',
      'This API speaks HTTP/1.1 only: no WebSocket, no h2c. Send the request without "Upgrade".',
      { close: true, headers: { upgrade: 'HTTP/1.1' } },
    );
  }
}

function repeatedHeader(rawHeaders: readonly string[]): string | undefined {
  let first: string | undefined;
  let others: Set<string> | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    if (!SINGLE_HEADERS.has(name)) continue;
    if (name === first || others?.has(name) === true) return name;
    if (first === undefined) first = name;
    else (others ??= new Set()).add(name);
  }
  return undefined;
}
