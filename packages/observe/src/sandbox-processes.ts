// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { hasCode } from '@bureau/core';

/** What `/proc/PID/stat` says about a process of the sandbox, in host numbers. */
export interface SandboxProcess {
  readonly pid: number;
  readonly parent: number;
  /** The foreground process group of its terminal; -1 without one. */
  readonly foreground: number;
  readonly zombie: boolean;
  /** Clock ticks from boot to its start; with the pid it names a process for good. */
  readonly startTime: string;
}

/** The process, or undefined when there is none of that pid. */
export function readSandboxProcess(pid: number): SandboxProcess | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    parent: Number(fields[1]),
    foreground: Number(fields[5]),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    startTime: fields[19] ?? '',
  };
}

/** The payload's first process: the oldest child of the sandbox's init. Undefined before it is made and after it has ended. */
export function firstProcessOf(init: number): SandboxProcess | undefined {
  const children = (readProc(`/proc/${init}/task/${init}/children`) ?? '')
    .split(' ')
    .map(Number)
    .filter((pid) => pid > 0);
  return children.map(readSandboxProcess).filter((entry) => entry !== undefined && !entry.zombie)[0];
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}
