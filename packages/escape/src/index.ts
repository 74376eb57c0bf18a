// SPDX-License-Identifier: Apache-2.0
/**
 * Attacks that run inside a sandbox, each with the guard that must stop it. Pure: it writes the programs; others start them.
 *
 * @example
 * ```ts
 * const command = attackCommand(PORTABLE_ATTACKS, facts);
 * // … run `command` in a sandbox, keep what it prints …
 * for (const [name, { verdict, detail }] of parseOutcomes(PORTABLE_ATTACKS, printed)) console.log(name, verdict, detail);
 * ```
 */
import type { Attack } from './attack.ts';
import { FILE_ATTACKS } from './files.ts';
import { KERNEL_ATTACKS } from './kernel.ts';
import { NETWORK_ATTACKS } from './network.ts';
import { PROCESS_ATTACKS } from './processes.ts';
import { TERMINAL_ATTACKS } from './terminal.ts';

/** Every attack of one process in one sandbox, by the number of its test. */
export const PORTABLE_ATTACKS: readonly Attack[] = [
  ...KERNEL_ATTACKS,
  ...TERMINAL_ATTACKS,
  ...NETWORK_ATTACKS,
  ...FILE_ATTACKS,
  ...PROCESS_ATTACKS,
].toSorted((one, other) => one.test - other.test);

export type { Attack, AttackFacts, AttackOutcome } from './attack.ts';
export { attackCommand, parseOutcomes } from './program.ts';
