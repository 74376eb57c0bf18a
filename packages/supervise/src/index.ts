// SPDX-License-Identifier: Apache-2.0
/**
 * The service manager of a stand: what systemd is in production. It starts the homeserver, the launcher (in an empty network
 * namespace), the daemon, and proxies by number; restarts what ends by itself; takes over what an earlier one left; ends all.
 */
export { Stand } from './stand.ts';
export type { StandDeps } from './stand.ts';
export type { StandFacts } from './service-table.ts';
export type { ServiceDeps } from './service.ts';
export type { ListenerDefinition, Readiness, ServiceDefinition } from './service-definition.ts';
export { LogWatch } from './log-watch.ts';
export { MANAGER_GROUP, endEverything } from './end-everything.ts';
export { makeRunDirectory, removeRunDirectory } from './run-directory.ts';
