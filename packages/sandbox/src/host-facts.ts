// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readlinkSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { MASKED_PROC, READ_ONLY_PROC } from './layout.ts';

/** `/usr`, `/bin`, `/lib64`, … of a sandbox: a directory of the host, or a link. */
export interface RootEntry {
  readonly path: string;
  /** The host's directory; meaningless for a link. */
  readonly source: string;
  readonly linkTo: string | null;
}

/** What bubblewrap's arguments depend on and only the host can say. Does not change while the host is up. */
export interface HostFacts {
  readonly rootEntries: readonly RootEntry[];
  /** Names below `/proc` that exist here, of those that are made read-only. */
  readonly readOnlyProc: readonly string[];
  /** Names below `/proc` that exist here and that an ordinary user can read, of those that are made empty. */
  readonly maskedProc: readonly { readonly name: string; readonly directory: boolean }[];
}

const ROOT_ENTRIES: readonly string[] = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Looks at this host once. Reads nothing that a principal can write. */
export function readHostFacts(): HostFacts {
  const maskedProc: { name: string; directory: boolean }[] = [];
  for (const name of MASKED_PROC) {
    const found = lstatSync(`/proc/${name}`, { throwIfNoEntry: false });
    // Root's alone already (kcore, kmsg, slabinfo, …): no payload is root, so there is nothing to hide and a mount to save.
    if (found === undefined || (found.uid === 0 && (found.mode & 0o007) === 0)) continue;
    maskedProc.push({ name, directory: found.isDirectory() });
  }
  const readOnlyProc = READ_ONLY_PROC.filter((name) => lstatSync(`/proc/${name}`, { throwIfNoEntry: false }) !== undefined);
  return { rootEntries: readRootEntries(''), readOnlyProc, maskedProc };
}

/**
 * What the system directories of a sandbox are when `root` (no "/" at its end; empty for the host itself) stands in for the host's.
 * Throws `root_refused` when it is not a directory with `usr` that only root can write. No program need be in it.
 */
export function readRootEntries(root: string): RootEntry[] {
  if (root !== '') refuseUnfitRoot(root);
  return ROOT_ENTRIES.flatMap((path): RootEntry[] => {
    const source = `${root}${path}`;
    const found = lstatSync(source, { throwIfNoEntry: false });
    if (found?.isSymbolicLink() === true) return [{ path, source, linkTo: readlinkSync(source) }];
    return found?.isDirectory() === true ? [{ path, source, linkTo: null }] : [];
  });
}

function refuseUnfitRoot(root: string): void {
  const refuse = (reason: string): never => {
    throw new BureauError('root_refused', `Cannot use ${root} as the root of a sandbox (field "root.path"): ${reason}`, {
      data: { field: 'root.path', root },
    });
  };
  const segments = root.split('/').slice(1);
  const parents = segments.map((_, index) => `/${segments.slice(0, index + 1).join('/')}`);
  for (const path of [...parents, `${root}/usr`, `${root}/etc`]) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined && path.endsWith('/etc')) continue;
    if (found?.isDirectory() !== true) refuse(`${path} is no directory`);
    else if (found.uid !== 0 || (found.mode & 0o022) !== 0) refuse(`others than root can write ${path}`);
  }
}
