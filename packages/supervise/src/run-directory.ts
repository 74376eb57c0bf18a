// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { RUN_DIRECTORY_BYTES } from './limits.ts';

/** `statfs(2)`, `linux/magic.h`: file systems that live in memory. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
const MOUNT_MILLISECONDS = 10_000;

/**
 * Makes the run directory, in memory on a machine whose `/run` is on a disk (containers, small virtual machines): secrets that agents see as
 * files never reach a disk, and a sandbox's dozen of files costs nothing. It is left as it is where it holds anything already, in a mount
 * namespace that others do not share, and where the kernel lets us mount nothing. True when it lies in memory.
 */
export function makeRunDirectory(path: string): boolean {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  if (inMemory(path)) return true;
  if (readdirSync(path).length > 0 || !sharedWithAll()) return false;
  const options = `mode=0711,nosuid,nodev,noexec,size=${RUN_DIRECTORY_BYTES}`;
  spawnSync('/usr/bin/mount', ['-n', '-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore', timeout: MOUNT_MILLISECONDS });
  return inMemory(path);
}

/** Removes it with all that is in it. Nothing of the instance may run but its service manager, whose socket keeps a mount busy: it is detached. */
export function removeRunDirectory(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true && found.dev !== lstatSync(dirname(path)).dev)
    spawnSync('/usr/bin/umount', ['-n', '-l', path], { stdio: 'ignore', timeout: MOUNT_MILLISECONDS });
  rmSync(path, { recursive: true, force: true });
}

function inMemory(path: string): boolean {
  return MEMORY_FILE_SYSTEMS.has(statfsSync(path).type);
}

/** What init sees, every operator sees: the same mounts, by their numbers, which no two namespaces share. */
function sharedWithAll(): boolean {
  try {
    const [own, inits] = ['self', '1'].map((process) => /^[0-9]+/.exec(readFileSync(`/proc/${process}/mountinfo`, 'utf8'))?.[0]);
    return own !== undefined && own === inits;
  } catch {
    return false;
  }
}
