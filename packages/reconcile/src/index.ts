// SPDX-License-Identifier: Apache-2.0
/**
 * What the rooms say into what the machine does: `readDesired` and `plan` are pure; the reconciler carries out, the rest of the
 * package connects it to the launcher, to relays and to the operator's socket.
 */
export { Reconciler } from './reconciler.ts';
export type { ReconcilerDeps } from './reconciler.ts';
export type { Desired, Fact, Facts } from './desired.ts';
export type { Action, Plan, PlanInput } from './plan.ts';
export type { LastingMemory, Memory, MemoryStore } from './memory.ts';
export { openMemoryFile } from './memory-file.ts';
export type { MemoryFile } from './memory-file.ts';
export { LauncherLink } from './launcher-link.ts';
export type { LauncherConnection } from './launcher-link.ts';
export { RelayRoutes } from './relay-routes.ts';
export { Runs } from './runs.ts';
export { StatusReporter } from './status-reporter.ts';
export { templateDistrust } from './template-trust.ts';
export { StatusWatch } from './status-watch.ts';
export { daemonHandlers } from './daemon-service.ts';
export type { DaemonServiceDeps } from './daemon-service.ts';
