// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { readProcesses, systemClock, type StartChildOptions } from './index.ts';

/** A shell script with its readiness pipe at descriptor 3; it and all that it starts carry `mark` in their environment. */
export function markedShell(mark: string, script: string, more: Partial<StartChildOptions> = {}): StartChildOptions {
  const env = { PATH: '/usr/bin:/bin', MARK: mark };
  return {
    command: '/bin/sh',
    args: ['-c', script],
    env,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    readyFd: 3,
    clock: systemClock,
    ...more,
  };
}

/** Live processes whose environment carries this mark: whatever the script started, wherever it hides. */
export function markedProcesses(mark: string): number[] {
  const marked = readProcesses().filter((entry) => {
    try {
      return !entry.zombie && readFileSync(`/proc/${entry.pid}/environ`, 'latin1').includes(`MARK=${mark}\0`);
    } catch {
      return false; // gone meanwhile
    }
  });
  return marked.map((entry) => entry.pid);
}
