// SPDX-License-Identifier: Apache-2.0

/** The release of Debian that the guest is. */
export const DEBIAN_RELEASE = 'bookworm';

/** What the guest's disk has beside debootstrap's `minbase`: a system that boots, and what script/setup --tests would install (it has no network). */
export const IMAGE_PACKAGES: readonly string[] = [
  // Boots: Debian's own kernel, systemd as PID 1.
  ...['linux-image-amd64', 'initramfs-tools', 'kmod', 'udev', 'systemd', 'systemd-sysv', 'dbus'],
  // script/setup
  ...[
    'bubblewrap',
    'ca-certificates',
    'curl',
    'gcc',
    'git',
    'iproute2',
    'libc6-dev',
    'procps',
    'python3',
    'python3-venv',
    'seccomp',
    'util-linux',
  ],
  // script/setup --tests
  ...['apparmor', 'libtss2-esys-3.0.2-0', 'libtss2-tcti-swtpm0', 'swtpm'],
  // What attacks are made of, beside gcc.
  ...['strace'],
  // Beside them.
  ...['e2fsprogs', 'zstd'],
];
