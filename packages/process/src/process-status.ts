// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { hasCode } from '@bureau/core';

/** What `/proc/PID/status` says about a process's identity and powers. */
export interface ProcessStatus {
  readonly name: string;
  /** One letter, see ProcessEntry. */
  readonly state: string;
  readonly parent: number;
  /** Real, effective, saved and file system uid: all four, so that a test sees a way back. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  /** Capability sets as bit masks (bit 21 is SYS_ADMIN). */
  readonly capInheritable: bigint;
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  readonly capBounding: bigint;
  readonly capAmbient: bigint;
  readonly noNewPrivileges: boolean;
  /** 0 none, 1 strict, 2 filter. */
  readonly seccomp: number;
  /** The pid in each nested pid namespace, the outermost first. */
  readonly namespacePids: readonly number[];
  /** Resident memory; 0 for a zombie. */
  readonly residentKiB: number;
}

/** Parses the text of `/proc/PID/status`; a line that a kernel lacks reads as empty or zero. */
export function parseProcessStatus(text: string): ProcessStatus {
  const lines = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const),
  );
  const word = (key: string): string => lines.get(key) ?? '';
  const numbers = (key: string): number[] =>
    word(key)
      .split(/\s+/)
      .filter((part) => part !== '')
      .map(Number);
  const mask = (key: string): bigint => BigInt(`0x${word(key) || '0'}`);
  return {
    name: word('Name'),
    state: word('State').slice(0, 1),
    parent: Number(word('PPid')),
    uids: numbers('Uid'),
    gids: numbers('Gid'),
    groups: numbers('Groups'),
    capInheritable: mask('CapInh'),
    capPermitted: mask('CapPrm'),
    capEffective: mask('CapEff'),
    capBounding: mask('CapBnd'),
    capAmbient: mask('CapAmb'),
    noNewPrivileges: word('NoNewPrivs') === '1',
    seccomp: Number(word('Seccomp')),
    namespacePids: numbers('NSpid'),
    residentKiB: numbers('VmRSS')[0] ?? 0,
  };
}

/** The status of a process, zombies included; undefined when there is no such process. */
export function readProcessStatus(pid: number): ProcessStatus | undefined {
  try {
    return parseProcessStatus(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}
