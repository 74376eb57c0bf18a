// SPDX-License-Identifier: Apache-2.0
/**
 * A machine whose launcher, homeserver, disk, clock and operators are made up, and whose reconciler is the daemon's own: each seed is one
 * history of edits, crashes, delays, lost replies and clocks that jump, the same on every machine. What must hold in all of them is in
 * `judge.ts`; that it would be noticed is shown by the mutations in `faults.ts`.
 *
 * @example
 * ```ts
 * import { runSeedsInThread } from '@bureau/simulate';
 *
 * const { failed, told } = await runSeedsInThread(1, 100);
 * // failed: seeds whose history went wrong; told: the first of them in full, with the command that lives it again
 * ```
 */
export { runSeedsInThread } from './run-seeds-in-thread.ts';
