// SPDX-License-Identifier: Apache-2.0
/**
 * What the rooms say into what the machine does: `readDesired` and `plan` are pure; the reconciler carries out, the rest of the
 * package connects it to the launcher, to relays and to the operator's socket.
 */
export { Reconciler } from './reconciler.ts';
export type { ReconcilerDeps } from './reconciler.ts';
export type { Desired, Fact, Facts } from './desired.ts';
export type { Action } from './actions.ts';
export type { LookIntoRoom, RoomLook } from './condition.ts';
export type { Notification } from './notifier.ts';
export type { MachineRules, PlanInput } from './plan-input.ts';
export type { Plan } from './plan.ts';
export type { LastingMemory, Memory, MemoryStore } from './memory.ts';
export { openMemoryFile } from './memory-file.ts';
export type { MemoryFile } from './memory-file.ts';
export type { HealthSubject } from './health-monitor.ts';
export { LauncherLink } from './launcher-link.ts';
export type { LauncherConnection } from './launcher-link.ts';
export { RelayRoutes } from './relay-routes.ts';
export { Runs } from './runs.ts';
export { StatusPublisher, ownStatuses } from './status-publisher.ts';
export type { PublishedStatus } from './status-publisher.ts';
export { StatusReporter } from './status-reporter.ts';
export { templateDistrust } from './template-trust.ts';
export { StatusWatch } from './status-watch.ts';
export { countStates, daemonHandlers } from './daemon-service.ts';
export type { DaemonServiceDeps } from './daemon-service.ts';
export { Revocation } from './revocation.ts';
