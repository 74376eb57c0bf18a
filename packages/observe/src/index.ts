// SPDX-License-Identifier: Apache-2.0
/**
 * The relay: parent of one sandbox, owner of its terminal, keeper of its output and exit code, server of its observers. And what an
 * observer's side needs: showing output safely, noticing the detach key.
 *
 * @example
 * ```ts
 * import { TerminalSanitizer } from '@bureau/observe';
 *
 * const sanitizer = new TerminalSanitizer();
 * sanitizer.push(Buffer.from('\u001b]52;c;aGk=\u0007\u001b[31mred')).toString();
 * // '\u001b[31mred': the clipboard stays as it is
 * ```
 */
export { TerminalSanitizer } from './sanitize.ts';
export { showOutput } from './attach-view.ts';
export type { ViewTarget, ViewTargets } from './attach-view.ts';
export type { OutputRecord, OutputSource } from './ring.ts';
export { reportOn } from './launcher-reports.ts';
export type { ReportToLauncher } from './launcher-reports.ts';
export { runRelay } from './relay.ts';
export type { RelayOptions } from './relay.ts';
export { Starter } from './starter.ts';
export type { StarterEnds } from './starter.ts';
export type { TakeOver } from './take-over.ts';
export { warmUpRelay } from './warm-up.ts';
