// SPDX-License-Identifier: Apache-2.0
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GUEST_FREE_MEBIBYTES } from './limits.ts';
import type { Image } from './image.ts';
import { runTool } from './tool.ts';

/** What of /usr/lib/bureau the guest gets, so that it needs no network: the homeserver, Node, the current build. */
export interface Library {
  readonly directory: string;
  /** Names of its entries; what does not exist is left out. */
  readonly entries: readonly string[];
}

/** Left out of the checkout: what only other machines or other tools have made there. */
const NOT_COPIED: readonly string[] = ['.ci'];

/**
 * Makes the guest's root disk in `directory`, as a file: the image, the checkout at the path that it has here (what Node has compiled stays valid)
 * and `library`. Nothing is mounted: the tree is put together of hard links, which mke2fs reads. Returns the disk's path.
 */
export function makeGuestDisk(directory: string, image: Image, checkout: string, library: Library): string {
  const stage = join(directory, 'stage');
  linkTree(image.root, stage);
  mkdirSync(join(stage, checkout), { recursive: true });
  for (const entry of readdirSync(checkout)) {
    if (!NOT_COPIED.includes(entry)) linkTree(join(checkout, entry), join(stage, checkout, entry));
  }
  for (const entry of library.entries) {
    const from = join(library.directory, entry);
    if (existsSync(from)) linkTree(from, join(stage, library.directory, entry));
  }
  // The checkout may lie below /tmp, which Debian empties when it boots; a file of this name in /etc stands for the one that says so.
  mkdirSync(join(stage, 'etc/tmpfiles.d'), { recursive: true });
  symlinkSync('/dev/null', join(stage, 'etc/tmpfiles.d/tmp.conf'));
  mkdirSync(join(stage, 'bureau-vm'));
  cpSync(join(import.meta.dirname, 'guest/run.sh'), join(stage, 'bureau-vm/run.sh'));
  writeFileSync(join(stage, 'bureau-vm/checkout'), `${checkout}\n`);
  const used = Number(runTool('du', ['--summarize', '--block-size=1M', stage]).split('\t')[0]);
  const disk = join(directory, 'root.img');
  writeFileSync(disk, '', { mode: 0o600 });
  truncateSync(disk, (Math.ceil(used * 1.15) + GUEST_FREE_MEBIBYTES) * 1024 * 1024);
  runTool('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-i', '8192', '-d', stage, disk]);
  rmSync(stage, { recursive: true });
  return disk;
}

/** Hard links where one file system holds both, else copies. */
function linkTree(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  try {
    runTool('cp', ['--archive', '--link', '--no-target-directory', from, to]);
  } catch {
    rmSync(to, { recursive: true, force: true });
    runTool('cp', ['--archive', '--no-target-directory', from, to]);
  }
}
