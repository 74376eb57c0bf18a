// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { UID_MAX } from './limits.ts';

/** A program and its arguments, ready for spawn. */
export interface CommandLine {
  readonly command: string;
  readonly args: string[];
}

/**
 * Runs `command` as `uid` and the group of the same number: no other groups, no capabilities to regain, no set-uid programs.
 * Root only. Throws a UsageError for uid 0 and for what is not a uid.
 */
export function dropPrivileges(uid: number, command: string, args: readonly string[]): CommandLine & { command: '/usr/bin/setpriv' } {
  if (!Number.isInteger(uid) || uid <= 0 || uid > UID_MAX) {
    throw new UsageError('bad_uid', `Expected a uid from 1 to ${UID_MAX} to drop to, found ${uid}.`, { data: { uid } });
  }
  const flags = [
    '--reuid',
    String(uid),
    '--regid',
    String(uid),
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--',
  ];
  return { command: '/usr/bin/setpriv', args: [...flags, command, ...args] };
}
