// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ensureDirectory } from '@bureau/files';
import { HOST_ETC } from './layout.ts';

/**
 * A copy of the few parts of the host's `/etc` that every sandbox sees (`HOST_ETC`), so that one mount does what a mount for each of
 * them would: each costs bubblewrap a fifth of a millisecond. A directory for each state of the host's files, never changed once
 * it has its name: a sandbox that runs keeps what it started with.
 */
export class HostEtc {
  readonly #base: string;
  readonly #from: string;
  #known: { readonly signature: string; readonly directory: string } | undefined;

  /** `base` holds the copies: in the run directory, so that they end with the boot. `from` is the host's `/etc`. */
  constructor(base: string, from = '/etc') {
    this.#base = base;
    this.#from = from;
  }

  /** The directory for the host's files as they are now; made when it is not there. Root's, readable by everyone. */
  current(): string {
    const signature = this.#signature();
    if (this.#known?.signature !== signature || !existsSync(this.#known.directory)) {
      this.#known = { signature, directory: this.#make() };
    }
    return this.#known.directory;
  }

  /** Names, sizes and times of what is copied, of directories only their own: whoever changes a certificate adds or renames a file. */
  #signature(): string {
    return HOST_ETC.map((name) => {
      const found = statSync(join(this.#from, name), { throwIfNoEntry: false, bigint: true });
      return found === undefined ? '' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`;
    }).join(' ');
  }

  #make(): string {
    ensureDirectory(this.#base, { mode: 0o711, uid: 0, gid: 0 });
    const fresh = join(this.#base, `.new-${process.pid}`);
    rmSync(fresh, { recursive: true, force: true });
    ensureDirectory(fresh, ROOTS);
    const hash = createHash('sha256');
    for (const name of HOST_ETC) copyEntry(join(this.#from, name), join(fresh, name), name, hash);
    const directory = join(this.#base, hash.digest('hex').slice(0, 16));
    if (existsSync(directory)) rmSync(fresh, { recursive: true });
    else renameSync(fresh, directory);
    return directory;
  }
}

const ROOTS = { mode: 0o755, uid: 0, gid: 0 };

/** Files and links, and directories of these; whatever else lies there is left out. A link is kept when it leads into `/usr`. */
function copyEntry(from: string, to: string, name: string, hash: ReturnType<typeof createHash>): void {
  const found = lstatSync(from, { throwIfNoEntry: false, bigint: true });
  if (found === undefined) return;
  hash.update(`${name}\0${found.mode}\0${found.size}\0${found.mtimeNs}\0${found.ino}\0`);
  ensureDirectory(dirname(to), ROOTS);
  if (found.isDirectory()) {
    ensureDirectory(to, ROOTS);
    for (const entry of readdirSync(from)) copyEntry(join(from, entry), join(to, entry), `${name}/${entry}`, hash);
  } else if (found.isSymbolicLink()) {
    const target = readlinkSync(from);
    hash.update(`${target}\0`);
    const absolute = resolve(dirname(from), target);
    if (absolute.startsWith('/usr/')) symlinkSync(absolute, to);
    else if (!target.includes('/')) symlinkSync(target, to);
    else if (statSync(from, { throwIfNoEntry: false })?.isFile() === true && readableByAll(from)) copyFile(from, to);
  } else if (found.isFile() && readableByAll(from)) {
    copyFile(from, to);
  }
}

function copyFile(from: string, to: string): void {
  copyFileSync(from, to);
  chmodSync(to, 0o644);
}

/** What the host keeps from ordinary users is not handed to a payload by way of a copy. */
function readableByAll(path: string): boolean {
  return (statSync(path).mode & 0o004) !== 0;
}
