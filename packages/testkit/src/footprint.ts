// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { UIDS_FILE, type InstancePaths } from '@bureau/instance';
import { instanceProcesses, type InstanceProcess } from './instance-processes.ts';

/** `__SO_ACCEPTCON` in /proc/net/unix: a socket that listens. */
const LISTENS = 0x10000;
const CGROUP_ROOT = '/sys/fs/cgroup';
/** The `/etc` of a principal, made at its first sandbox and kept for the next ones, as its number is. */
const KEPT_ROOT = /^\.root(?:$|\/[0-9]+(?:\/|$))/;
/** Walks of a tree that keeps changing; each takes a millisecond. */
const WALKS_MOST = 20;
/** Where a relay or proxy lives from before it is anybody's. */
const POOL_GROUP = /\/(relay|proxy)-[0-9]+-[0-9]+$/;

/**
 * Everything of an instance that the machine holds at one moment, written so that two moments compare: roles instead of pids, no
 * random parts. Each list is sorted and may hold one line several times.
 */
export interface Footprint {
  /** `role program`. */
  readonly processes: readonly string[];
  /** Lines of the host's mount table that name a path of the instance. */
  readonly mounts: readonly string[];
  /** Listening Unix sockets of any network namespace that the instance uses, and connections to our own processes. */
  readonly sockets: readonly string[];
  /** Distinct network namespaces beside the host's, each as the roles that live in it. */
  readonly networkNamespaces: readonly string[];
  /** Directories of the instance in any hierarchy of control groups. */
  readonly cgroups: readonly string[];
  /** What is in the run directory. */
  readonly runFiles: readonly string[];
  /** Lines of /etc/bureau/uids. */
  readonly uidRanges: readonly string[];
  /** Which of the instance's directories exist. */
  readonly directories: readonly string[];
}

/** A line of mountinfo begins with the mount's number, its parent's and its device's. */
const MOUNT_NUMBERS = 3;

/** What is compared, and the ended processes that nobody has noticed yet, which are not. */
export interface Sighting {
  readonly footprint: Footprint;
  readonly zombies: readonly InstanceProcess[];
}

/** Looks at the machine. `uidBase` is given because a purged instance no longer knows it. */
export function lookAt(paths: InstancePaths, uidBase: number): Sighting {
  const all = instanceProcesses({ name: paths.name, uidBase });
  const there = all.filter(({ zombie }) => !zombie);
  const keepers = new Set(there.filter(({ role }) => role === 'stand' || role === 'launcher').map(({ pid }) => pid));
  // Those that wait for their order come and go with what was taken last; without their keeper they are left over like any other.
  const kept = new Set(there.filter(({ role, parent }) => role.endsWith(':waiting') && keepers.has(parent)).map(({ pid }) => pid));
  const waits = ({ role, pid, parent }: InstanceProcess): boolean => role.endsWith(':waiting') && (kept.has(pid) || kept.has(parent));
  const live = there.filter((each) => !waits(each));
  const directories = [paths.runDir, paths.stateDir, paths.configDir, paths.logDir];
  const footprint: Footprint = {
    processes: live.map(({ role, program }) => `${role} ${program}`).toSorted(),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => directories.some((directory) => names(line, directory)))
      // Its numbers are others each time that the same is mounted anew.
      .map((line) => line.split(' ').slice(MOUNT_NUMBERS).join(' '))
      .toSorted(),
    sockets: socketsOf(paths, live),
    networkNamespaces: namespacesOf(live),
    cgroups: walked(() => cgroupsOf(paths.cgroupName)).flatMap((directory) => {
      if (keepers.size === 0 || !POOL_GROUP.test(directory)) return [directory];
      const inside = there.filter(({ cgroup }) => cgroup !== '' && directory.endsWith(cgroup));
      // Its name is that of nobody: who lives in it is what stays the same.
      return inside.length > 0 && inside.every(waits)
        ? []
        : [directory.replace(POOL_GROUP, `/$1 of ${[...new Set(inside.map(({ role }) => role))].toSorted().join(' ') || 'nobody'}`)];
    }),
    runFiles: walked(() => filesOf(paths.runDir)).filter((name) => keepers.size === 0 || !KEPT_ROOT.test(name)),
    uidRanges: existsSync(UIDS_FILE)
      ? readFileSync(UIDS_FILE, 'utf8')
          .split('\n')
          .filter((line) => line.endsWith(` ${paths.name}`))
      : [],
    directories: directories.filter((directory) => existsSync(directory)),
  };
  return { footprint, zombies: all.filter(({ zombie }) => zombie) };
}

/** True when the path is in the line as a whole or as a parent, not as the beginning of another instance's. */
function names(line: string, directory: string): boolean {
  return line.split(/[ :,]/).some((word) => word === directory || word.startsWith(`${directory}/`));
}

function namespacesOf(live: readonly InstanceProcess[]): string[] {
  const host = instanceNamespace('self');
  const inside = live.filter(({ networkNamespace }) => networkNamespace !== undefined && networkNamespace !== host);
  return [...Map.groupBy(inside, ({ networkNamespace }) => networkNamespace).values()]
    .map((members) => [...new Set(members.map(({ role }) => role))].toSorted().join(' '))
    .toSorted();
}

/** A namespace's sockets are seen from inside only, so one process of each is asked. */
function socketsOf(paths: InstancePaths, live: readonly InstanceProcess[]): string[] {
  const windows = new Map<string, string>([[instanceNamespace('self'), 'self']]);
  for (const { pid, networkNamespace } of live) if (networkNamespace !== undefined) windows.set(networkNamespace, `${pid}`);
  const seen = new Map<string, string>();
  for (const [namespace, pid] of windows) {
    for (const [inode, line] of unixSockets(pid, paths.runDir)) seen.set(`${namespace} ${inode}`, line);
  }
  // The daemon keeps one connection to each relay that was ever observed; a second one is too much.
  const kept = new Set<string>();
  const counted = [...seen.values()].filter((line) => !/^connected .*\/relay\.sock$/.test(line) || kept.size === kept.add(line).size);
  return counted.toSorted();
}

/** `listen PATH` and `connected PATH` by inode. Connections of agents to their proxy are left out: keep-alive ends them some time. */
function unixSockets(pid: string, runDir: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readNet(pid).split('\n')) {
    const [, , , flags = '', , , inode = '', ...path] = line.trim().split(/ +/);
    const name = path.join(' ');
    if (!name.startsWith(`${runDir}/`)) continue;
    // Bound beside its place and renamed into it: the kernel keeps the first name, whose end is random.
    const settled = name.replace(/\/\.([^/]+\.sock)\.[a-z0-9]+$/, '/$1');
    const listens = (Number.parseInt(flags, 16) & LISTENS) !== 0;
    if (!listens && settled.includes('/agent/')) continue;
    found.set(inode, `${listens ? 'listen' : 'connected'} ${settled}`);
  }
  return found;
}

function readNet(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/net/unix`, 'utf8');
  } catch {
    return ''; // The window has closed since.
  }
}

function instanceNamespace(pid: string): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function cgroupsOf(name: string): string[] {
  const roots = [
    CGROUP_ROOT,
    ...readdirSync(CGROUP_ROOT, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(CGROUP_ROOT, entry.name)),
  ];
  return roots
    .map((root) => join(root, name))
    .filter((directory) => existsSync(directory))
    .flatMap((directory) => [
      directory,
      ...readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name)),
    ])
    .toSorted();
}

function filesOf(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted() : [];
}

/** Walks again when something went away during the walk: what is there at the end counts. Throws the last failure. */
function walked(walk: () => string[]): string[] {
  for (let tries = 1; ; tries += 1) {
    try {
      return walk();
    } catch (error) {
      if (tries === WALKS_MOST || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
