// SPDX-License-Identifier: Apache-2.0

/** Devices that no policy can open: storage, memory, consoles and terminals, input, what makes new devices or reaches other machines' guests. */
const FORBIDDEN =
  /^\/dev\/(?:mem|kmem|port|kmsg|mapper(?:\/.*)?|dm-\d+|[shv]d[a-z].*|xvd.*|nvme.*|mmcblk.*|sr\d+|sg\d+|bsg\/.*|loop.*|ram\d+|zram.*|md.*|nbd.*|disk(?:\/.*)?|tty.*|console|vcs.*|pts(?:\/.*)?|ptmx|pty.*|uinput|uhid|input(?:\/.*)?|hidraw.*|fuse|cuse|net(?:\/.*)?|tun|vhost.*|vsock|vfio(?:\/.*)?|cpu(?:\/.*)?|tpm.*|rtc.*|watchdog.*|snapshot|userfaultfd|autofs|btrfs-control|mcelog|nvram|hwrng|shm(?:\/.*)?|mqueue(?:\/.*)?|hugepages(?:\/.*)?|fd(?:\/.*)?|std(?:in|out|err)|core|log|initctl|bus(?:\/.*)?)$/;

/** The nodes of graphics cards: of DRM, of AMD's compute driver, of NVIDIA's. */
const GRAPHICS = /^\/dev\/(?:dri\/(?:renderD\d{1,4}|card\d{1,3})|kfd|nvidia(?:\d{1,3}|ctl|-uvm|-uvm-tools|-modeset)|dxg)$/;

/** Directories in which {@link isGraphicsDevice} finds something. */
export const GRAPHICS_DIRECTORIES: readonly string[] = ['/dev', '/dev/dri'];

/** Why `path` can never be given to a sandbox, or `undefined`. Pure: what the file is, is looked at when it is opened. */
export function forbiddenDevice(path: string): string | undefined {
  if (!path.startsWith('/dev/')) return 'devices lie below /dev';
  return FORBIDDEN.test(path) ? 'it leads to storage, memory, terminals, networks or the kernel itself' : undefined;
}

/** True for a node of a graphics card. */
export function isGraphicsDevice(path: string): boolean {
  return GRAPHICS.test(path);
}

/** True when a rule of the policy (`/dev/dri/renderD128`, or with `*` in its last segment) names `path`. */
export function deviceRuleMatches(rule: string, path: string): boolean {
  return matchesPattern(rule, path);
}

/** `*` and `?` in the last segment only, never over a "/"; `*` matches no name that begins with ".". */
export function matchesPattern(pattern: string, path: string): boolean {
  const cut = pattern.lastIndexOf('/') + 1;
  if (path.slice(0, cut) !== pattern.slice(0, cut)) return false;
  const name = path.slice(cut);
  if (name.includes('/') || (name.startsWith('.') && !pattern.slice(cut).startsWith('.'))) return false;
  return matchesName(pattern.slice(cut), name);
}

/** Without a regular expression: a pattern of many stars must not cost more than its length times the name's. */
function matchesName(pattern: string, name: string): boolean {
  let [p, n, star, mark] = [0, 0, -1, 0];
  while (n < name.length) {
    if (pattern[p] === '*') [star, mark, p] = [p, n, p + 1];
    else if (pattern[p] === '?' || (p < pattern.length && pattern[p] === name[n])) [p, n] = [p + 1, n + 1];
    else if (star >= 0) [p, mark, n] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
