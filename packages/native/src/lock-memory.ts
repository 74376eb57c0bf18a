// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

/**
 * Keeps the pages of `bytes` out of swap, best effort: true when the kernel agreed (usual limit without CAP_IPC_LOCK: 8 MiB a process).
 * The pages stay locked until their memory is given back to the kernel.
 *
 * Only for single buffers. `mlockall` is not offered: V8 gives pages back with madvise, which fails on locked ones, and aborts the
 * process (seen with Node 24.21 at exit).
 */
export function lockMemory(bytes: Uint8Array): boolean {
  return bytes.length === 0 || libc().mlock(bytes, bytes.length) === 0;
}
