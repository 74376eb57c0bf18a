// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** Limits of one process, which all that it starts inherits. Both the soft and the hard one. */
export interface ProcessLimits {
  /** Open descriptors. */
  readonly openFiles?: number | undefined;
  /** Bytes of the largest file that it can write; the write above it fails, SIGXFSZ first. */
  readonly fileSize?: number | undefined;
  /** Processes and threads of its uid in its user namespace. */
  readonly processes?: number | undefined;
}

const RLIMIT_FSIZE = 1;
const RLIMIT_CORE = 4;
const RLIMIT_NPROC = 6;
const RLIMIT_NOFILE = 7;
/** Two 64-bit numbers: soft, hard. */
const RLIMIT_BYTES = 16;
const HARD_OFFSET = 8;

/**
 * Lowers the limits of another process of the same uid (0: of this one), and forbids it core dumps. A limit that is already lower
 * stays. Throws `system_call_failed`.
 */
export function limitProcess(pid: number, { openFiles, fileSize, processes }: ProcessLimits): void {
  lower(pid, RLIMIT_CORE, 0, 'RLIMIT_CORE');
  if (openFiles !== undefined) lower(pid, RLIMIT_NOFILE, openFiles, 'RLIMIT_NOFILE');
  if (fileSize !== undefined) lower(pid, RLIMIT_FSIZE, fileSize, 'RLIMIT_FSIZE');
  if (processes !== undefined) lower(pid, RLIMIT_NPROC, processes, 'RLIMIT_NPROC');
}

function lower(pid: number, resource: number, value: number, name: string): void {
  const current = new Uint8Array(RLIMIT_BYTES);
  checked(libc().prlimit64(pid, resource, null, current), `prlimit64(${name})`, 'read a limit');
  const hard = new DataView(current.buffer).getBigUint64(HARD_OFFSET, true);
  const wanted = BigInt(value) < hard ? BigInt(value) : hard;
  const limit = new Uint8Array(RLIMIT_BYTES);
  const view = new DataView(limit.buffer);
  view.setBigUint64(0, wanted, true);
  view.setBigUint64(HARD_OFFSET, wanted, true);
  checked(libc().prlimit64(pid, resource, limit, null), `prlimit64(${name})`, 'set a limit');
}
