// SPDX-License-Identifier: Apache-2.0

/** The steps of create, destroy and forget after each of which a launcher may die, in the order in which they are taken. */
export const FAULT_POINTS = [
  'create.numbered',
  'create.enlisted',
  'create.accepted',
  'create.planned',
  'create.cleared',
  'create.recorded',
  'create.directory',
  'create.directories',
  'create.ordered',
  'create.groups',
  'create.listening',
  'create.started',
  'create.placed',
  'create.go',
  'create.running',
  'create.settled',
  'create.served',
  'create.linked',
  'destroy.stopping',
  'destroy.payload-ended',
  'destroy.relay-gone',
  'destroy.payload-gone',
  'destroy.recorded',
  'destroy.proxy-stopped',
  'destroy.groups-removed',
  'destroy.link-removed',
  'destroy.directory-removed',
  'forget.removed',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Told each step that was taken. A test's implementation ends the process there; nothing else may be done with it. */
export interface FaultPoints {
  reached(point: FaultPoint): void;
}

/** What production has. */
export const noFaults: FaultPoints = { reached: () => undefined };
