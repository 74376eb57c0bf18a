// SPDX-License-Identifier: Apache-2.0
/**
 * The proxy of one principal: an HTTP API for its agent on one Unix socket, its keys from the launcher on another, and calls to its
 * upstreams with the keys put in. The agent never sees a key; the keys never outlive the process or the next rotation.
 *
 * @example
 * ```ts
 * import { createLogger } from '@bureau/log';
 * import { systemClock } from '@bureau/process';
 * import { startProxy } from '@bureau/proxy';
 *
 * const proxy = await startProxy({
 *   agent: { fd: 3 }, admin: { fd: 4 }, payloadUid: 200_022, build: 'hash', clock: systemClock, logger: createLogger({ name: 'proxy' }),
 * });
 * await proxy.stop();
 * ```
 */
export { startProxy } from './proxy.ts';
export type { Proxy, ProxyOptions } from './proxy.ts';
export { rehearse } from './rehearse.ts';
export type { ProxyLimits } from './limits.ts';
export type { Answer, Route, RouteCall, RouteDefinition, RouteServices } from './router.ts';
export type { ProblemExtensions, ProblemOptions } from './problem.ts';
