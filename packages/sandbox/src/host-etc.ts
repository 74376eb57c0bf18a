// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
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
    const entries = HOST_ETC.flatMap((name) => listEntries(this.#from, name));
    const digest = createHash('sha256').update(entries.map(({ name, state }) => `${name}\0${state}`).join('\0'));
    const directory = join(this.#base, digest.digest('hex').slice(0, 16));
    if (existsSync(directory)) return directory;
    ensureDirectory(this.#base, { mode: 0o711, uid: 0, gid: 0 });
    const fresh = join(this.#base, `.new-${process.pid}`);
    rmSync(fresh, { recursive: true, force: true });
    makeDirectory(fresh);
    for (const entry of entries) copyEntry(this.#from, fresh, entry);
    renameSync(fresh, directory);
    return directory;
  }
}

/** Something below the host's `/etc` that is copied. */
interface Entry {
  /** From `/etc` on. */
  readonly name: string;
  readonly kind: 'directory' | 'file' | 'link';
  /** A link's target. */
  readonly target: string;
  /** Changes when it does. */
  readonly state: string;
}

/** Files and links, and directories of these; whatever else lies there is left out. */
function listEntries(base: string, name: string): Entry[] {
  const found = lstatSync(join(base, name), { throwIfNoEntry: false });
  if (found === undefined) return [];
  const state = `${found.ino} ${found.mode} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
  if (found.isSymbolicLink()) {
    const target = readlinkSync(join(base, name));
    return [{ name, kind: 'link', target, state: `${state} ${target}` }];
  }
  if (found.isFile()) return [{ name, kind: 'file', target: '', state }];
  if (!found.isDirectory()) return [];
  const below = readdirSync(join(base, name)).toSorted();
  return [{ name, kind: 'directory', target: '', state }, ...below.flatMap((entry) => listEntries(base, `${name}/${entry}`))];
}

/** A link is kept when it leads into `/usr` or to its neighbour. What the host keeps from ordinary users is left out, behind a link too. */
function copyEntry(base: string, into: string, { name, kind, target }: Entry): void {
  const [from, to] = [join(base, name), join(into, name)];
  if (name.includes('/') && !existsSync(dirname(to))) makeDirectory(dirname(to));
  if (kind === 'directory') {
    makeDirectory(to);
    return;
  }
  const absolute = resolve(dirname(from), target);
  if (kind === 'link' && absolute.startsWith('/usr/')) symlinkSync(absolute, to);
  else if (kind === 'link' && !target.includes('/')) symlinkSync(target, to);
  else copyReadable(from, to);
}

function copyReadable(from: string, to: string): void {
  const found = statSync(from, { throwIfNoEntry: false });
  if (found?.isFile() !== true || (found.mode & 0o004) === 0) return;
  copyFileSync(from, to);
  chmodSync(to, 0o644);
}

function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
}
