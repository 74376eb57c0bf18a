// SPDX-License-Identifier: Apache-2.0
import * as fs from 'node:fs';
import { BureauError } from '@bureau/core';
import { errnoOf } from './atomic-write.ts';

/** Who owns a directory and who may enter it. */
export interface DirectoryOptions {
  /** Permission bits, exactly: the umask does not count. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Makes the directory, or corrects the group and mode of one that is there. Its parent must exist and be writable only by those whom
 * the caller trusts. What lies in it is not looked at.
 *
 * Throws `directory_unsafe` when a symlink or another thing than a directory is there, or one whose owner is neither `uid` nor the
 * caller: somebody else may hold it open or have put things there. Throws `directory_failed` for everything else.
 */
export function ensureDirectory(path: string, options: DirectoryOptions): void {
  const made = makeDirectory(path);
  const descriptor = openDirectory(path);
  try {
    const found = fs.fstatSync(descriptor);
    if (!made && found.uid !== options.uid && found.uid !== process.geteuid?.()) {
      throw unsafe(path, `one that belongs to uid ${found.uid}`);
    }
    if (found.uid !== options.uid || found.gid !== options.gid) fs.fchownSync(descriptor, options.uid, options.gid);
    // After the owner, whose change may clear bits.
    if ((fs.fstatSync(descriptor).mode & 0o7777) !== options.mode) fs.fchmodSync(descriptor, options.mode);
  } catch (error) {
    throw error instanceof BureauError ? error : failed(path, error);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** True when it was made by this call. */
function makeDirectory(path: string): boolean {
  try {
    fs.mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw failed(path, error);
  }
}

function openDirectory(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  try {
    return fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw code === 'ENOTDIR' || code === 'ELOOP' ? unsafe(path, 'a symbolic link or a file') : failed(path, error);
  }
}

function unsafe(path: string, found: string): BureauError {
  return new BureauError(
    'directory_unsafe',
    `Refused to use ${path}: expected a directory of ours, found ${found}. Look at it, then remove it`,
    { data: { path } },
  );
}

function failed(path: string, cause: unknown): BureauError {
  return new BureauError(
    'directory_failed',
    `Cannot make the directory ${path}${errnoOf(cause)}: check that its parent exists and that there is space`,
    {
      data: { path },
      cause,
    },
  );
}
