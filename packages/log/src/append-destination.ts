// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';

/** Where pino puts its lines. */
export interface Destination {
  write(line: string): void;
}

/**
 * Writes each line with one call to an open descriptor before it returns, so that the last words of a process that dies are there,
 * and so that processes that share an append-only file never mix their lines. A full disk or a closed pipe loses lines, not the
 * process; the next line that gets through is preceded by one that says how many were lost.
 */
export function appendTo(
  descriptor: number,
  write: (descriptor: number, bytes: Buffer, offset: number) => number = writeSync,
): Destination {
  let lost = 0;
  return {
    write(line) {
      const bytes = Buffer.from(lost === 0 ? line : `{"level":"warn","msg":"log lines were lost","lost":${lost}}\n${line}`, 'utf8');
      try {
        let done = 0;
        while (done < bytes.length) done += write(descriptor, bytes, done);
        lost = 0;
      } catch {
        lost += 1;
      }
    },
  };
}
