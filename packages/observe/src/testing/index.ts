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
export { compileStarter, type ProgramBuild } from './compile-programs.ts';
export { receiveTakeOver, type TakeOver } from '../take-over.ts';
