// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEBIAN_RELEASE, IMAGE_PACKAGES } from './image-packages.ts';
import { runTool } from './tool.ts';

const GUEST = join(import.meta.dirname, 'guest');
const UNIT = 'bureau-vm.service';
const MIRROR = 'http://deb.debian.org/debian';

/** A Debian system as files, from which disks are made; read only, once it is whole. */
export interface Image {
  /** Its root directory. */
  readonly root: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The name tells what it contains: release, packages, and what of ours is in it (the code that puts it there as well). */
function imageName(): string {
  const sum = createHash('sha256');
  for (const part of [DEBIAN_RELEASE, ...IMAGE_PACKAGES, readFileSync(join(GUEST, UNIT)), finishImage.toString()])
    sum.update(part).update('\0');
  return sum.digest('hex').slice(0, 16);
}

/**
 * Returns the image below `cache`, made by debootstrap where it is not there (10 minutes and 1.2 GB). An interrupted one counts for
 * nothing and is made anew. Root only; nothing is mounted that debootstrap's own namespace does not take with it.
 */
export function getImage(cache: string, say: (line: string) => void): Image {
  const directory = join(cache, imageName());
  if (!existsSync(directory)) {
    const fresh = `${directory}.new`;
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true, mode: 0o700 });
    say(`debootstrap of ${DEBIAN_RELEASE} with ${IMAGE_PACKAGES.length} packages into ${directory}`);
    const packages = `--include=${IMAGE_PACKAGES.join(',')}`;
    const debootstrap = ['debootstrap', '--variant=minbase', packages, DEBIAN_RELEASE, join(fresh, 'root'), MIRROR];
    runTool('unshare', ['--mount', '--propagation', 'private', ...debootstrap]);
    finishImage(fresh);
    renameSync(fresh, directory);
  }
  const root = join(directory, 'root');
  return { root, kernel: newest(join(root, 'boot'), 'vmlinuz-'), initrd: newest(join(root, 'boot'), 'initrd.img-') };
}

/** What debootstrap leaves to whoever boots: names, the unit, and no packages as files. */
function finishImage(directory: string): void {
  const root = join(directory, 'root');
  writeFileSync(join(root, 'etc/hostname'), 'bureau-vm\n');
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost bureau-vm\n::1 localhost\n');
  writeFileSync(join(root, 'etc/fstab'), '/dev/vda / ext4 rw,noatime 0 0\n');
  writeFileSync(join(root, 'etc/resolv.conf'), '');
  rmSync(join(root, 'var/cache/apt/archives'), { recursive: true });
  mkdirSync(join(root, 'var/cache/apt/archives/partial'), { recursive: true });
  cpSync(join(GUEST, UNIT), join(root, 'etc/systemd/system', UNIT));
  mkdirSync(join(root, 'etc/systemd/system/default.target.wants'), { recursive: true });
  symlinkSync(`/etc/systemd/system/${UNIT}`, join(root, 'etc/systemd/system/default.target.wants', UNIT));
  // Nobody installs in the guest, and what happens by the clock would be in the way of measured times.
  for (const timer of ['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'fstrim.timer'])
    symlinkSync('/dev/null', join(root, 'etc/systemd/system', timer));
}

function newest(directory: string, prefix: string): string {
  const name = readdirSync(directory)
    .filter((entry) => entry.startsWith(prefix))
    .toSorted()
    .at(-1);
  if (name === undefined) throw new Error(`expected ${directory}/${prefix}*, found none; remove the image and run script/vm again`);
  return join(directory, name);
}
