// SPDX-License-Identifier: Apache-2.0
import { ProxyFixture, TOKEN, type FixtureOptions } from './proxy-fixture.ts';

/** The key of the upstream `api`. */
export const KEY = 'sk-real-key-that-nobody-sees-0001';

/** A proxy with one upstream `api` beside the homeserver. */
export async function proxyFor(url: string, rule: object = {}, options: FixtureOptions = {}): Promise<ProxyFixture> {
  const fixture = await ProxyFixture.start({ ...options, unconfigured: true });
  await configureApi(fixture, url, rule);
  return fixture;
}

/** Gives the proxy a bundle with this upstream and these keys; a second time it is a rotation. */
export async function configureApi(
  fixture: ProxyFixture,
  url: string,
  rule: object = {},
  keys: Record<string, string> = {},
): Promise<void> {
  const matrix = { url: fixture.homeserver.url, inject: [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }] };
  const api = { url, inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }], ...rule };
  const secrets = Object.entries({ MATRIX_TOKEN: TOKEN, API_KEY: KEY, ...keys }).map(([name, text]) => [name, Buffer.from(text)] as const);
  await fixture.configure({ header: { upstreams: { matrix, api } }, secrets: Object.fromEntries(secrets) });
}

/** Header lines of a recorded request: names in lower case, and values. */
export function headersOf(seen: string): [name: string, value: string][] {
  const lines = seen.slice(0, seen.indexOf('\r\n\r\n')).split('\r\n').slice(1);
  return lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]);
}
