// SPDX-License-Identifier: Apache-2.0
/**
 * The machine's view of its Matrix rooms, by matrix-js-sdk: the only package that loads it. Position and state live in SQLite.
 */
export { MachineSync } from './machine-sync.ts';
export type { MachineSyncOptions, StateFact, SyncHealth } from './machine-sync.ts';
