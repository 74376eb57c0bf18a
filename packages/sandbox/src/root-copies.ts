// SPDX-License-Identifier: Apache-2.0
import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensureDirectory } from '@bureau/files';
import { writeRootFiles, type RootFilesInput } from './root-files.ts';

/**
 * The generated `/etc` of each principal: some thirty files and links, a third of what a start costs on a disk. Made once by each launcher
 * and kept when the sandbox ends, since the next one of the same principal sees the same; made anew, with nothing of the old one, when it would
 * differ or when somebody changed it.
 */
export class RootCopies {
  readonly #known = new Map<string, string>();

  /** Sees to it that `directory` holds exactly what `writeRootFiles` makes. Nothing of this principal may run. Needs root. */
  ensure(directory: string, input: RootFilesInput): void {
    const wanted = JSON.stringify(input);
    const known = this.#known.get(directory);
    if (known !== undefined && known === `${stateOf(directory)} ${wanted}`) return;
    this.#known.delete(directory);
    rmSync(directory, { recursive: true, force: true });
    ensureDirectory(dirname(directory), { mode: 0o711, uid: 0, gid: 0 });
    writeRootFiles(directory, input);
    this.#known.set(directory, `${stateOf(directory)} ${wanted}`);
  }
}

/** Changes with each name that comes, goes or is replaced in it; only root can do that. */
function stateOf(directory: string): string {
  return [directory, `${directory}/etc`]
    .map((path) => statSync(path, { throwIfNoEntry: false, bigint: true }))
    .map((found) => (found === undefined ? 'none' : `${found.ino}:${found.mtimeNs}:${found.uid}:${found.mode}`))
    .join(' ');
}
