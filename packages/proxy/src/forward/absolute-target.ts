// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { Problem, quoted } from '../problem.ts';
import { targetOf, type Target } from './forward-rules.ts';
import { parseAuthority } from './host-name.ts';

/** Times a path is percent-decoded in search of what hides in it. */
const DECODINGS = 4;

/** Where a request with an absolute target goes. */
export interface AbsoluteTarget {
  readonly target: Target;
  /** In origin form, with the bytes that the agent sent. */
  readonly path: string;
}

/**
 * Reads `http://host[:port]/path`. Throws a `Problem`: 400 `invalid_target`, 403 `scheme_unavailable` and `synapse_admin_refused`, 405 for TRACE, 421
 * `host_mismatch` when the Host header names another host.
 */
export function absoluteTargetOf(request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): AbsoluteTarget {
  const url = request.url ?? '';
  if (request.method === 'TRACE') {
    throw new Problem(405, 'method_not_allowed', 'TRACE would show headers to whoever asks; it goes nowhere.', {
      headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
    });
  }
  const [, scheme = '', authorityText = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]*)([^#]*)$/i.exec(url) ?? [];
  if (scheme !== '' && scheme.toLowerCase() !== 'http') {
    throw new Problem(
      403,
      'scheme_unavailable',
      `Only http:// targets are fetched for a client; for ${quoted(scheme.toLowerCase())} open a tunnel with CONNECT.`,
    );
  }
  const authority = parseAuthority(authorityText);
  if (authority === undefined || (rest !== '' && !/^[/?]/.test(rest))) {
    throw new Problem(400, 'invalid_target', `Expected http://host[:port]/path, found ${quoted(url)}.`, { close: true });
  }
  const target = targetOf(authority, 80);
  const named = parseAuthority(request.headers.host ?? '');
  if (request.headers.host !== undefined && (named === undefined || targetOf(named, 80).text !== target.text)) {
    throw new Problem(
      421,
      'host_mismatch',
      `Expected the Host header to name ${target.text} as the target does, found ${quoted(request.headers.host)}.`,
      { close: true },
    );
  }
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  if (namesSynapse(path)) {
    throw new Problem(403, 'synapse_admin_refused', "A homeserver's /_synapse is never reached through this proxy; use /v1/matrix/….", {
      extensions: { rule: 'synapse', target: target.text },
    });
  }
  return { target, path };
}

/** True when a path names `/_synapse` to some reader, however it is encoded. On any host: which ones are homeservers is not known. */
function namesSynapse(path: string): boolean {
  let text = path.split('?', 1)[0] ?? '';
  for (let times = 0; times < DECODINGS; times += 1) {
    if (/_synapse/i.test(text)) return true;
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  return /_synapse/i.test(text);
}
