// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import type { ExitReport } from '@bureau/protocol';
import { EXIT_CODES } from '../registry/exit-codes.ts';

/** The exit code that a shell would give for this end: the code itself, 128+n on signal n, 125 when it was Bureau's doing. */
export function exitCodeOf(exit: ExitReport): number {
  if (exit.code !== null) return exit.code;
  const number = exit.signal === null ? undefined : (constants.signals as Readonly<Record<string, number>>)[exit.signal];
  return number === undefined ? EXIT_CODES.bureau : 128 + number;
}
