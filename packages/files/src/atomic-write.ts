// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BureauError } from '@bureau/core';
import { TEMPORARY_NAME_BYTES } from './limits.ts';

/** Who owns the file and who may read it, once it is there. */
export interface WriteOptions {
  /** Permission bits, exactly: the umask does not count. */
  readonly mode: number;
  /** Owner; absent: the caller. */
  readonly uid?: number;
  /** Group; absent: the caller's. */
  readonly gid?: number;
  /** False: whole for every reader, but not forced to disk. For what nobody needs after the machine has gone down. Default true. */
  readonly durable?: boolean;
}

/** The calls of node:fs that a write makes, in the order in which it makes them; tests put faults here. */
export type WriteCalls = Pick<
  typeof fs,
  'openSync' | 'writeSync' | 'fchownSync' | 'fchmodSync' | 'fsyncSync' | 'closeSync' | 'renameSync' | 'unlinkSync'
>;

/**
 * Replaces the file at `path` by one with exactly this content, owner and mode: a reader, or the machine after a power cut, sees
 * the old file or the new one, whole. When this returns, file and directory entry are on disk (unless `durable` is false).
 *
 * A symlink at `path` is replaced, never followed. The directory must exist, and must be writable only by those whom the caller trusts.
 * On any failure the old file stands and the temporary file is gone (a caller that dies leaves it: `.bureau-….tmp`, 0600);
 * only when the last step fails (making the directory entry durable) the new file is already visible.
 * Throws `file_write_failed`, with the step that failed in `data.step`.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, options: WriteOptions): void {
  writeFileAtomicWith(fs, path, data, options);
}

/** {@link writeFileAtomic} with the system calls injected. */
export function writeFileAtomicWith(calls: WriteCalls, path: string, data: string | Uint8Array, options: WriteOptions): void {
  const directory = dirname(path);
  // Not the target's name with a suffix: that may be longer than a name may be.
  const temporary = join(directory, `.bureau-${randomBytes(TEMPORARY_NAME_BYTES).toString('hex')}.tmp`);
  let step = 'create';
  let descriptor: number | undefined;
  let directoryDescriptor: number | undefined;
  let made = false;
  try {
    descriptor = calls.openSync(
      temporary,
      fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW,
      0o600,
    );
    made = true;
    step = 'write';
    writeAll(calls, descriptor, typeof data === 'string' ? Buffer.from(data, 'utf8') : data);
    step = 'own';
    // Owner before mode: a change of owner clears mode bits, and until then nobody else can read it.
    if (options.uid !== undefined || options.gid !== undefined) calls.fchownSync(descriptor, options.uid ?? -1, options.gid ?? -1);
    calls.fchmodSync(descriptor, options.mode);
    step = 'sync';
    if (options.durable !== false) calls.fsyncSync(descriptor);
    const written = descriptor;
    descriptor = undefined;
    calls.closeSync(written);
    step = 'open directory';
    directoryDescriptor = calls.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    step = 'rename';
    calls.renameSync(temporary, path);
    made = false;
    step = 'sync directory';
    if (options.durable !== false) calls.fsyncSync(directoryDescriptor);
  } catch (cause) {
    const state = step === 'sync directory' ? 'The new content is in place, but may be lost in a power cut' : 'The old content stands';
    throw new BureauError(
      'file_write_failed',
      `Cannot write ${basename(path)} in ${directory} (step: ${step}${errnoOf(cause)}). ${state}; check space, permissions and the directory`,
      {
        data: { path, step },
        cause,
      },
    );
  } finally {
    if (descriptor !== undefined) quietly(() => calls.closeSync(descriptor as number));
    if (directoryDescriptor !== undefined) quietly(() => calls.closeSync(directoryDescriptor as number));
    if (made) quietly(() => calls.unlinkSync(temporary));
  }
}

/** `, ENOSPC`: in the message itself, since causes do not cross to another process. */
export function errnoOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? `, ${cause.code}` : '';
}

/** A write may take only a part: a disk quota or a signal ends it early without an error. */
function writeAll(calls: WriteCalls, descriptor: number, data: Uint8Array): void {
  let done = 0;
  while (done < data.length) {
    const count = calls.writeSync(descriptor, data, done, data.length - done);
    if (count <= 0) throw new Error(`the kernel took ${done} of ${data.length} bytes`);
    done += count;
  }
}

/** Cleaning up must not hide the failure that made it necessary. */
function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // The first failure is the one that is reported.
  }
}
