// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_SET_NO_NEW_PRIVS = 38;
const RLIMIT_CORE = 4;
const RLIMIT_BYTES = 16;

function prctl(option: number, value: number, name: string): void {
  checked(libc().prctl(option, value, 0, 0, 0), `prctl(${name})`, 'set an attribute of this process');
}

/** False: no core dump, and no other process of the same uid may attach to or read this one (`/proc/PID/*` becomes root's). */
export function setDumpable(value: boolean): void {
  prctl(PR_SET_DUMPABLE, value ? 1 : 0, 'PR_SET_DUMPABLE');
}

/** Orphaned descendants become children of this process instead of init's. It must then wait for them (see OrphanReaper). */
export function setChildSubreaper(): void {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 'PR_SET_CHILD_SUBREAPER');
}

/**
 * Nothing that the main thread starts from now on gains powers by set-uid or file capabilities. Cannot be undone. The kernel keeps this per
 * thread: it holds for children spawned by the main thread and for threads made later, not for threads that already run.
 */
export function setNoNewPrivileges(): void {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 'PR_SET_NO_NEW_PRIVS');
}

/**
 * The kernel sends `signal` to this process when its parent (the thread that made it) dies. Cleared by a set-uid exec.
 * A parent that died before the call is not noticed: compare `process.ppid` with the expected one afterwards.
 */
export function setParentDeathSignal(signal: number): void {
  prctl(PR_SET_PDEATHSIG, signal, 'PR_SET_PDEATHSIG');
}

/** Sets both limits of RLIMIT_CORE to 0, for this process and all that it starts. */
export function disableCoreDumps(): void {
  checked(libc().prlimit64(0, RLIMIT_CORE, new Uint8Array(RLIMIT_BYTES), null), 'prlimit64(RLIMIT_CORE)', 'forbid core dumps');
}
