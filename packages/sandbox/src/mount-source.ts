// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, readdirSync, statfsSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import { openatNoSymlinks } from '@bureau/native';
import type { MountSource } from '@bureau/protocol';

/** `O_PATH`: names a file without opening it (no side effect on devices and pipes). Node has no constant for it. */
const O_PATH = 0o10000000;

/**
 * Most sources of one sandbox: each is a descriptor of the launcher's and of the relay's until it stands, and a process has 20,000. Of the 128
 * mounts of a spec each may be a pattern with 256 matches: fifty such starts at once would leave no descriptor for anything else.
 */
const SOURCES_MAX = 384;

/** File systems through which a kernel is steered or looked into, by their magic numbers (`statfs(2)`, `linux/magic.h`). */
const KERNEL_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0xcafe4a11, 'bpf'],
  [0x1cd1, 'devpts'],
  [0x6e736673, 'nsfs'],
  [0x62656570, 'configfs'],
  [0xde5e81e4, 'efivarfs'],
  [0x6165676c, 'pstore'],
  [0x19800202, 'mqueue'],
]);

/** A mount source, looked at without following any link, and held so that nothing else can become it. */
export interface OpenedSource extends MountSource {
  readonly kind: 'directory' | 'file';
}

/**
 * The sources of one sandbox's binds, each opened once by the launcher and held until the sandbox stands. Whoever mounts opens the path
 * again without following links and compares `identity`: as long as this is held, no other file can have it.
 */
export class OpenMountSources implements Disposable {
  readonly #descriptors: number[] = [];
  readonly #sources: OpenedSource[] = [];

  /** What was opened, in this order. */
  get sources(): readonly OpenedSource[] {
    return this.#sources;
  }

  /** Descriptors of them, in the same order; they stay this object's. */
  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /** Its index, or `undefined` when nothing is there. Throws `mount_refused`. */
  open(path: string, field: string): { readonly index: number; readonly kind: 'directory' | 'file' } | undefined {
    if (this.#descriptors.length >= SOURCES_MAX)
      refuseSource(
        field,
        path,
        `it would be more than ${SOURCES_MAX} sources for one sandbox, those that patterns match counted one by one`,
      );
    const opened = openSource(path, field);
    if (opened === undefined) return undefined;
    this.#descriptors.push(opened.descriptor);
    this.#sources.push({ path, identity: opened.identity, kind: opened.kind });
    return { index: this.#sources.length - 1, kind: opened.kind };
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}

/**
 * Opens `path`, refusing a symlink in any part of it, everything but directories and regular files (a socket such as docker's is a door,
 * a device is hardware), and whatever lies on a file system of the kernel's own, wherever it is mounted. `undefined` when nothing is there.
 * Throws `mount_refused`.
 */
function openSource(
  path: string,
  field: string,
): { readonly descriptor: number; readonly identity: string; readonly kind: 'directory' | 'file' } | undefined {
  let descriptor: number;
  try {
    descriptor = openatNoSymlinks(path, { flags: O_PATH });
  } catch (error) {
    const errno = error instanceof BureauError ? error.data['errno'] : undefined;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    if (errno === 'ELOOP') refuseSource(field, path, 'a part of it is a symbolic link; name the real place');
    throw new BureauError('mount_refused', `Cannot bind ${JSON.stringify(path)} (${field}): it cannot be opened`, {
      data: { field, source: path },
      cause: error,
    });
  }
  try {
    const found = fstatSync(descriptor, { bigint: true });
    const kind = found.isDirectory() ? 'directory' : found.isFile() ? 'file' : undefined;
    if (kind === undefined) refuseSource(field, path, 'expected a directory or a regular file, found a socket, device or pipe');
    const kernel = KERNEL_FILE_SYSTEMS.get(statfsSync(`/proc/self/fd/${descriptor}`).type);
    if (kernel !== undefined) refuseSource(field, path, `it lies on a file system of the kernel's own (${kernel})`);
    return { descriptor, identity: `${found.dev}:${found.ino}`, kind };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Names in a directory that is opened without following links, sorted; `undefined` when there is none. Throws `mount_refused`. */
export function listDirectory(path: string, field: string): string[] | undefined {
  let descriptor: number;
  try {
    descriptor = openatNoSymlinks(path, { flags: constants.O_RDONLY | constants.O_DIRECTORY });
  } catch (error) {
    const errno = error instanceof BureauError ? error.data['errno'] : undefined;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    return refuseSource(field, path, errno === 'ELOOP' ? 'a part of it is a symbolic link; name the real place' : 'it cannot be listed');
  }
  try {
    return readdirSync(`/proc/self/fd/${descriptor}`).toSorted();
  } finally {
    closeSync(descriptor);
  }
}

/** Says why a source cannot be bound. */
export function refuseSource(field: string, path: string, reason: string): never {
  const shown = path.slice(0, 200);
  throw new BureauError('mount_refused', `Cannot bind ${JSON.stringify(shown)} (${field}): ${reason}`, { data: { field, source: shown } });
}
