// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { PrincipalNumbers } from '@bureau/instance';

/** What only a principal that was numbered leaves beside the numbers: `0.bundle.age`, `0.sandbox.json`. */
const OF_A_NUMBER = /^\d+\.(bundle|sandbox)\./;

/**
 * The numbers in `<directory>/principals.json`. Throws `numbers_missing` when the file is gone and others say that there was one:
 * numbering from nothing would give one principal's uid, files and keys to another.
 */
export function openNumbers(directory: string): PrincipalNumbers {
  const file = `${directory}/principals.json`;
  if (!existsSync(file)) {
    const trace = existsSync(directory) ? readdirSync(directory).find((name) => OF_A_NUMBER.test(name)) : undefined;
    if (trace !== undefined) {
      throw new BureauError(
        'numbers_missing',
        `Expected ${file}, since ${trace} is there: it says which uid is whose. Restore it from a backup, or write it anew by the owners of the workspaces (docs/operations.md, "lost principals.json")`,
        { data: { path: file } },
      );
    }
  }
  return new PrincipalNumbers(file);
}
