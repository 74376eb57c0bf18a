// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from 'node:fs';
import { BureauError, UsageError } from '@bureau/core';
import { clearInheritableCapabilities, setDumpable, takeThreadUid } from '@bureau/native';
import { UID_MAX } from './limits.ts';
import { parseProcessStatus, type ProcessStatus } from './process-status.ts';

/**
 * Turns this process, started by {@link identityPowers}, into `uid` and the group of the same number for good: no other groups, no
 * capability, no way back, out of reach of others of that uid (`PR_SET_DUMPABLE 0`). What it throws (`not_dropped`, with what the kernel
 * says of which thread; the errors of the calls) must end the process: it may still be root.
 */
export function becomeUser(uid: number): void {
  if (!Number.isInteger(uid) || uid <= 0 || uid > UID_MAX)
    throw new UsageError('bad_uid', `Expected a uid from 1 to ${UID_MAX} to become, found ${uid}.`, { data: { uid } });
  // The C library makes each of the three on every thread.
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  clearInheritableCapabilities();
  setDumpable(false);
  for (const thread of readdirSync('/proc/self/task')) {
    const fault = faultOf(parseProcessStatus(readFileSync(`/proc/self/task/${thread}/status`, 'latin1')), uid);
    if (fault !== undefined) throw notDropped(`thread ${thread} ${fault}`);
  }
  // Every other thread has just been seen without any power to come back.
  if (takeThreadUid(0)) throw notDropped('the way back to uid 0 is open');
}

/** What of this status is not that of an ordinary process of `uid`. A bound or inheritable capability is none to use, and yet not left. */
function faultOf(status: ProcessStatus, uid: number): string | undefined {
  if (status.uids.some((each) => each !== uid)) return `has uids ${status.uids.join(' ')}`;
  if (status.gids.some((each) => each !== uid)) return `has gids ${status.gids.join(' ')}`;
  if (status.groups.length > 0) return `is in groups ${status.groups.join(' ')}`;
  const powers = status.capPermitted | status.capEffective | status.capAmbient | status.capBounding;
  if (powers !== 0n) return `has capabilities 0x${powers.toString(16)}`;
  return status.noNewPrivileges ? undefined : 'may gain privileges';
}

function notDropped(found: string): BureauError {
  return new BureauError('not_dropped', `Expected to be an ordinary user without any power, but ${found}; this process must end`);
}
