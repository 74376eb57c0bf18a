// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readlinkSync } from 'node:fs';
import { MASKED_PROC, READ_ONLY_PROC } from './layout.ts';

/** What bubblewrap's arguments depend on and only the host can say. Does not change while the host is up. */
export interface HostFacts {
  /** `/bin`, `/lib64`, …: links (with their target) on a merged-/usr host, directories elsewhere. */
  readonly rootEntries: readonly { readonly path: string; readonly linkTo: string | null }[];
  /** Names below `/proc` that exist here, of those that are made read-only. */
  readonly readOnlyProc: readonly string[];
  /** Names below `/proc` that exist here, of those that are made empty. */
  readonly maskedProc: readonly { readonly name: string; readonly directory: boolean }[];
}

const ROOT_ENTRIES: readonly string[] = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Looks at this host once. Reads nothing that a principal can write. */
export function readHostFacts(): HostFacts {
  const rootEntries: { path: string; linkTo: string | null }[] = [];
  for (const path of ROOT_ENTRIES) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isSymbolicLink() === true) rootEntries.push({ path, linkTo: readlinkSync(path) });
    else if (found?.isDirectory() === true) rootEntries.push({ path, linkTo: null });
  }
  const maskedProc: { name: string; directory: boolean }[] = [];
  for (const name of MASKED_PROC) {
    const found = lstatSync(`/proc/${name}`, { throwIfNoEntry: false });
    if (found !== undefined) maskedProc.push({ name, directory: found.isDirectory() });
  }
  const readOnlyProc = READ_ONLY_PROC.filter((name) => lstatSync(`/proc/${name}`, { throwIfNoEntry: false }) !== undefined);
  return { rootEntries, readOnlyProc, maskedProc };
}
