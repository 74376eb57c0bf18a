// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { SandboxInfo } from '@bureau/protocol';
import type { Desired } from './desired.ts';
import type { Health } from './health-monitor.ts';
import type { Memory } from './memory.ts';

/** What operators say of the machine itself. */
export interface MachineRules {
  /** Nothing new is started; what runs goes on and is tended (keys, grants, payload), what ends stays ended. */
  readonly cordoned: boolean;
  /** What runs is ended in order, and nothing new is started. */
  readonly draining: boolean;
}

/** Everything that a plan depends on. Same input, same plan. */
export interface PlanInput {
  readonly desired: readonly Desired[];
  readonly observed: readonly SandboxInfo[];
  /** Run ids whose command line is there. */
  readonly runs: ReadonlySet<string>;
  readonly memory: ReadonlyMap<PrincipalName, Memory>;
  /** Ids of the sandboxes that the launcher is being asked to make right now. */
  readonly creating?: ReadonlySet<string>;
  /** Of those that have a health check; absent: nobody was asked yet. */
  readonly health?: ReadonlyMap<PrincipalName, Health>;
  /** Absent: neither. */
  readonly machine?: MachineRules;
  readonly now: number;
}
