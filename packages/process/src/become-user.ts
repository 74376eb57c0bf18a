// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from 'node:fs';
import { BureauError, UsageError } from '@bureau/core';
import { clearInheritableCapabilities, setDumpable, takeThreadUid } from '@bureau/native';
import { UID_MAX } from './limits.ts';
import { parseProcessStatus, type ProcessStatus } from './process-status.ts';

/** What {@link identityPowers} lets threads inherit: SETGID and SETUID. Those of Node's own keep it, for nothing (ADR 0010). */
const INHERITED = (1n << 6n) | (1n << 7n);

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
    const status = parseProcessStatus(readFileSync(`/proc/self/task/${thread}/status`, 'latin1'));
    // The main thread is the one that starts programs.
    const fault = faultOf(status, uid, Number(thread) === process.pid ? 0n : INHERITED);
    if (fault !== undefined) throw notDropped(`thread ${thread} ${fault}`);
  }
  // Every other thread has just been seen without any power to come back.
  if (takeThreadUid(0)) throw notDropped('the way back to uid 0 is open');
}

/** What of this status is not that of an ordinary process of `uid`, but for what it `mayInherit`. */
function faultOf(status: ProcessStatus, uid: number, mayInherit: bigint): string | undefined {
  if (status.uids.some((each) => each !== uid)) return `has uids ${status.uids.join(' ')}`;
  if (status.gids.some((each) => each !== uid)) return `has gids ${status.gids.join(' ')}`;
  if (status.groups.length > 0) return `is in groups ${status.groups.join(' ')}`;
  const powers = status.capPermitted | status.capEffective | status.capAmbient | status.capBounding | (status.capInheritable & ~mayInherit);
  if (powers !== 0n) return `has capabilities 0x${powers.toString(16)}`;
  return status.noNewPrivileges ? undefined : 'may gain privileges';
}

function notDropped(found: string): BureauError {
  return new BureauError('not_dropped', `Expected to be an ordinary user without any power, but ${found}; this process must end`);
}
