// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';
import { describeError } from '@bureau/core';
import { FAILURE_MAX_CHARACTERS } from './limits.ts';

/** How a line begins that stands where "ready" was expected and says why it never will. */
const PREFIX = 'failed: ';

/**
 * Says on the descriptor on which a process says that it is ready why it cannot start: its own log may lie on the disk that is full or
 * read-only. One line. Nobody who would hear it is no error.
 */
export function sayFailed(descriptor: number, error: unknown): void {
  try {
    writeSync(descriptor, `${PREFIX}${oneLine(describeError(error))}\n`);
  } catch {
    // Whoever started it has gone.
  }
}

/** True when `text` is, or may become, what {@link sayFailed} writes. */
export function mayBeFailure(text: string): boolean {
  return text.startsWith(PREFIX.slice(0, text.length));
}

/** The reason in a line of {@link sayFailed}, bounded and without control characters; undefined for any other text. */
export function failureSaid(line: string): string | undefined {
  return line.startsWith(PREFIX) ? oneLine(line.slice(PREFIX.length)) : undefined;
}

function oneLine(text: string): string {
  // What a child wrote must not drive the reader's terminal.
  return text
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .slice(0, FAILURE_MAX_CHARACTERS)
    .trim();
}
