// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.ts';

/** Headers of which two would let two readers disagree. Node keeps the first without a word. */
const SINGLE_HEADERS: readonly string[] = [
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'expect',
  'upgrade',
  'traceparent',
];

/**
 * What Node's strict parser lets through and this API does not: throws a `Problem` that closes the connection, 400 or 431 for what no
 * honest client sends, 403 for a target in proxy form, 426 for a change of protocol.
 */
export function checkRequest(request: IncomingMessage, headersMost: number): void {
  const target = request.url ?? '';
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
  if (!/^[\x21-\x7e]+$/.test(target)) {
    throw new Problem(400, 'invalid_target', 'Expected a request target of printable ASCII; percent-encode the rest.', { close: true });
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) throw forwardProxyUnavailable();
  if (!target.startsWith('/')) throw new Problem(400, 'invalid_target', 'Expected a request target that starts with "/".', { close: true });
  if (request.headers.upgrade !== undefined) {
    throw new Problem(
      426,
      'upgrade_unavailable',
      'This API speaks HTTP/1.1 only: no WebSocket, no h2c. Send the request without "Upgrade".',
      { close: true, headers: { upgrade: 'HTTP/1.1' } },
    );
  }
}

/** What CONNECT and absolute targets are told (issue C1 brings an allow-list). Never a refused connection: clients wait for ever then. */
export function forwardProxyUnavailable(): Problem {
  return new Problem(
    403,
    'forward_proxy_unavailable',
    "This socket is an API, not a way to other hosts: ask for a path such as /v1/identity. Other hosts need an upstream in this principal's bundle.",
    { close: true },
  );
}

function repeatedHeader(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (!SINGLE_HEADERS.includes(name)) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}
