// SPDX-License-Identifier: Apache-2.0
/**
 * The machine's view of its Matrix rooms, through matrix-js-sdk: the only package that loads it. The SDK makes the requests; position
 * and state are kept here, in SQLite, since its own rooms cost twenty times the JSON that they are made of (ADR 0021).
 */
export { MachineSync } from './machine-sync.ts';
export type { MachineSyncOptions, SyncHealth } from './machine-sync.ts';
export type { Message } from './outbox.ts';
export type { RefusedEvent, StateFact, TimelineEvent } from './room-event.ts';
export type { Invitation } from './sync-answer.ts';
export type { TimelineReader } from './timeline-delivery.ts';
