// SPDX-License-Identifier: Apache-2.0
import * as fs from 'node:fs';
import { BureauError } from '@bureau/core';
import { READ_FIRST_BYTES } from './limits.ts';

/** What is asked of the file itself, beyond its size. */
export interface ReadOptions {
  /** The file must belong to this uid, and nobody else may be able to write it. */
  readonly owner?: number;
}

/**
 * The whole of a regular file of at most `maxBytes`. The result is never pooled, so that it can be zeroed; no other copy is left.
 * Follows no symlink at `path` (those above it are the caller's business) and waits for nobody: a pipe, device or socket is refused.
 * What counts is what was read, not the size that the file claims.
 * Throws `file_missing`, `file_unsafe` (not a regular file, or not its owner's alone), `file_too_large`, `file_unreadable` (anything else).
 */
export function readBounded(path: string, maxBytes: number, options: ReadOptions = {}): Buffer {
  const descriptor = openForRead(path);
  try {
    const found = fs.fstatSync(descriptor);
    if (!found.isFile()) throw unsafe(path, 'something that is not a regular file');
    if (options.owner !== undefined) refuseOthers(path, found, options.owner);
    return readAll(descriptor, path, maxBytes);
  } catch (error) {
    if (error instanceof BureauError) throw error;
    throw new BureauError('file_unreadable', `Cannot read ${path}; check the disk`, { data: { path }, cause: error });
  } finally {
    fs.closeSync(descriptor);
  }
}

function openForRead(path: string): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
  try {
    return fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new BureauError('file_missing', `Cannot find ${path}: expected a file there`, { data: { path }, cause });
    if (code === 'ELOOP') throw unsafe(path, 'a symbolic link');
    if (code === 'ENXIO') throw unsafe(path, 'a socket or device');
    throw new BureauError('file_unreadable', `Cannot open ${path}; check its owner and mode`, { data: { path }, cause });
  }
}

/** Judged on the open file: what is judged is what is read. */
function refuseOthers(path: string, found: fs.Stats, owner: number): void {
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  if (found.uid === owner && (found.mode & 0o022) === 0) return;
  throw new BureauError(
    'file_unsafe',
    `Refused to read ${path}: expected a file of uid ${owner} that nobody else can write, found uid ${found.uid} and mode ${mode}. Check who put it there, then correct owner and mode`,
    { data: { path, uid: found.uid, mode } },
  );
}

function unsafe(path: string, found: string): BureauError {
  return new BureauError('file_unsafe', `Refused to read ${path}: expected a regular file, found ${found}; put the file itself there`, {
    data: { path },
  });
}

function readAll(descriptor: number, path: string, maxBytes: number): Buffer {
  let buffer = Buffer.alloc(Math.min(READ_FIRST_BYTES, maxBytes + 1));
  let length = 0;
  try {
    for (;;) {
      const count = fs.readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.subarray(0, length);
      length += count;
      if (length > maxBytes) {
        throw new BureauError('file_too_large', `Refused to read ${path}: expected at most ${maxBytes} bytes, found more`, {
          data: { path, maxBytes },
        });
      }
      if (length === buffer.length) {
        const larger = Buffer.alloc(Math.min(buffer.length * 4, maxBytes + 1));
        buffer.copy(larger);
        buffer.fill(0);
        buffer = larger;
      }
    }
  } catch (error) {
    buffer.fill(0);
    throw error;
  }
}
