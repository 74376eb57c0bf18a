// SPDX-License-Identifier: Apache-2.0
/**
 * The relay as a program of its own, for tests that start one.
 *
 * @example
 * ```ts
 * using program = await buildRelayProgram();
 * spawn(program.node, [program.script]);
 * ```
 */
export { buildRelayProgram, type RelayProgram } from './relay-program.ts';
export { compileStarter } from './compile-programs.ts';
