// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs';
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** How a path is opened without following symlinks. */
export interface OpenNoSymlinksOptions {
  /** `fs.constants.O_*`; default O_RDONLY. Close-on-exec is always added. */
  readonly flags?: number;
  /** Permission bits of a file that O_CREAT makes; default 0600. */
  readonly mode?: number;
  /** An open directory that a relative path starts from; default the working directory. */
  readonly directory?: number;
}

const SYS_OPENAT2 = 437;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;

/** `struct open_how`: flags, mode, resolve, each 64 bits. */
function openHow(flags: number, mode: number): Uint8Array {
  return new Uint8Array(
    BigUint64Array.of(BigInt(flags | O_CLOEXEC), BigInt(mode), BigInt(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)).buffer,
  );
}

/**
 * Opens `path` and returns its descriptor, which the caller closes. A symlink anywhere in the path, the last part included, is
 * refused: `system_call_failed` with `data.errno` `ELOOP`. For paths that another uid may write in.
 */
export function openatNoSymlinks(path: string, options: OpenNoSymlinksOptions = {}): number {
  const flags = options.flags ?? constants.O_RDONLY;
  const how = openHow(flags, (flags & constants.O_CREAT) === 0 ? 0 : (options.mode ?? 0o600));
  return checked(
    libc().openat2(SYS_OPENAT2, options.directory ?? AT_FDCWD, path, how, how.length),
    'openat2',
    `open ${path} without following symlinks`,
    { path },
  );
}
