// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { healthState } from '../health-check.ts';
import { sandboxId } from '../launcher-contract.ts';
import { exitReport } from '../sandbox-spec.ts';
import { integer, principalName, text, timestamp } from '../scalars.ts';

/** Every state that a principal can be in, and what it means; the one table (docs/overview.md shows it to people). */
export const PRINCIPAL_STATES = {
  pending: 'wanted and not there yet; `message` says what holds it',
  waiting: 'its start condition does not hold; `message` says which',
  starting: 'its sandbox is being made, or waits for the one who runs it',
  running: 'its payload runs',
  stopping: 'its payload was asked to end, or has ended for good and that is not on disk yet',
  stopped: 'its assignment says `stopped`, or somebody has stopped it by a command (`message`), and nothing of it runs',
  completed: 'it ended with 0 and its restart policy wants no more; raise the generation to run it again',
  exited: 'it ended otherwise and its restart policy wants no more; raise the generation to run it again',
  backing_off: 'it ended and starts again at `retryAt`',
  quarantined: 'it ended too often too soon and is left alone; raise the generation to try again',
  blocked: 'it cannot be: `message` says why; with `retryAt` the machine tries again by itself',
} as const;
export type PrincipalState = keyof typeof PRINCIPAL_STATES;

export const principalState = v.picklist(Object.keys(PRINCIPAL_STATES) as PrincipalState[]);

const generation = integer(0, Number.MAX_SAFE_INTEGER);

/** What a machine says of one principal. */
export const principalStatus = v.object({
  principal: principalName,
  state: principalState,
  id: v.optional(sandboxId),
  run: v.optional(v.string()),
  startedAt: v.optional(timestamp),
  exit: v.optional(exitReport),
  /** Of one that runs and has a health check. Without this field a payload that has stayed up for ten seconds counts as healthy. */
  health: v.optional(healthState),
  restarts: integer(0, 1_000_000),
  /** When the machine goes on by itself. */
  retryAt: v.optional(timestamp),
  message: v.optional(text(1_000)),
  /** The generation that the assignment asks for, as this machine has read it. */
  generation: v.optional(generation),
  /** The generation that `state` is about. Lower than `generation` as long as something of an earlier one runs; equal: it is there, look at `state`. */
  observedGeneration: v.optional(generation),
});
export type PrincipalStatus = v.InferOutput<typeof principalStatus>;

/** m.bureau.principal_status: one event for each principal, so that no list grows beyond what an event carries. */
export const principalStatusContent = v.object({ v: v.literal(1), ...principalStatus.entries });

/** m.bureau.machine_status. Until version 1 it also listed every principal, which an event of 64 KiB bounded to about 200. */
export const machineStatusContent = v.object({
  v: v.picklist([1, 2]),
  build: text(100),
  startedAt: timestamp,
  /** State → how many principals are in it. */
  counts: v.optional(v.record(principalState, integer(0, 100_000)), {}),
});
export type MachineStatusContent = v.InferOutput<typeof machineStatusContent>;
