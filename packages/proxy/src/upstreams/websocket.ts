// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Problem } from '../problem.ts';

/** RFC 6455, section 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** True for a request that asks for WebSocket and nothing else, as RFC 6455 wants it. */
export function asksForWebSocket(request: IncomingMessage): boolean {
  const { headers } = request;
  return (
    request.method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    /(^|,)[ \t]*upgrade[ \t]*(,|$)/i.test(headers.connection ?? '') &&
    headers['sec-websocket-version'] === '13' &&
    /^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')
  );
}

/** What an upstream must answer to this key, so that it is known to have understood. */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_SUFFIX)
    .digest('base64');
}

/** What an upgrade is told where none is passed on. */
export function upgradeUnavailable(service: string): Problem {
  return new Problem(
    426,
    'upgrade_unavailable',
    `Upstream ${service} is called by HTTP/1.1 requests only. Send the request without "Upgrade"; an operator can allow WebSocket by sealing a bundle with "websocket" for it.`,
    { close: true, headers: { upgrade: 'HTTP/1.1' } },
  );
}
