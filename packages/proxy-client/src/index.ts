// SPDX-License-Identifier: Apache-2.0
/**
 * The client of an agent's own proxy, for programs in Node: typed, without dependencies, over the socket that every sandbox has.
 *
 * @example
 * ```ts
 * import { ProxyClient } from '@bureau/proxy-client';
 *
 * const proxy = new ProxyClient();
 * const { principal } = await proxy.identity();
 * const user = await proxy.json('GET', '/v1/http/github/user');
 * for await (const event of proxy.events('/v1/matrix/events')) console.log(principal, user, event.data);
 * ```
 */
export { ProxyClient } from './proxy-client.ts';
export type { CallOptions, Identity, Presence, ProxyAnswer, ProxyClientOptions } from './proxy-client.ts';
export type { ServerEvent } from './event-parser.ts';
export { ProxyError } from './proxy-error.ts';
