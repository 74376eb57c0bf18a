// SPDX-License-Identifier: Apache-2.0
import * as fs from 'node:fs';
import { BureauError } from '@bureau/core';
import { errnoOf } from './atomic-write.ts';

/**
 * Points the symlink at `path` to `target`, whatever was there before: a reader sees the old link or the new one. One caller at a
 * time. On a failure the old link stands and nothing else is left. Throws `file_write_failed`, with the step in `data.step`.
 */
export function replaceSymlink(target: string, path: string): void {
  const fresh = `${path}.new`;
  let step = 'remove what an interrupted run left';
  let made = false;
  try {
    fs.rmSync(fresh, { force: true });
    step = 'create';
    fs.symlinkSync(target, fresh);
    made = true;
    step = 'rename';
    fs.renameSync(fresh, path);
    made = false;
  } catch (cause) {
    throw new BureauError(
      'file_write_failed',
      `Cannot point the link ${path} to ${target} (step: ${step}${errnoOf(cause)}). What was there stands; check space, permissions and the directory`,
      { data: { path, step }, cause },
    );
  } finally {
    if (made) removeQuietly(fresh);
  }
}

function removeQuietly(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // The first failure is the one that is reported; the next call removes it.
  }
}
