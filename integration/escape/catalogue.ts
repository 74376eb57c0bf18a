// SPDX-License-Identifier: Apache-2.0

/** One attack that the host's side takes part in, or that comes from outside of a sandbox. */
export interface HostAttack {
  readonly name: string;
  /** Number in the list of hostile tests, or what it adds to it. */
  readonly test: number | 'more';
  readonly title: string;
  readonly guard: string;
  readonly control: string;
  /** The test file, in this folder. */
  readonly file: string;
}

/** Every attack that is not in `packages/escape`: docs/security/escape-suite.md is written from both. */
export const HOST_ATTACKS: readonly HostAttack[] = [
  {
    name: 'root_on_the_host',
    test: 2,
    title: 'Be root for the host: as a process, as the owner of a file, as the peer of a socket (all three looked at from the host)',
    guard: 'the starter has the principal’s uid before it starts bwrap',
    control: 'bwrap started by root',
    file: 'outside-processes.test.ts',
  },
  {
    name: 'planted_link',
    test: 3,
    title:
      'Plant links to /oldroot, /newroot and /proc/1/root in the workspace, and have the next start make files below them (CVE-2026-87766)',
    guard: 'no mount destination lies below anything that a payload writes: rule mount_destination',
    control: 'a directory made below the link by bwrap’s own option',
    file: 'stolen-daemon.test.ts',
  },
  {
    name: 'swapped_source',
    test: 4,
    title: 'Swap a directory that policy gives for a link, without pause, while sandboxes start (4 and 43: between check and use)',
    guard: 'the launcher opens a source once without following links; what is mounted must be that very file',
    control: 'bwrap is given the path, and nobody compares what it mounts',
    file: 'mounts.test.ts',
  },
  {
    name: 'files_of_root',
    test: 13,
    title: 'Read a file of root’s, 0600, in a directory that policy gives',
    guard: 'the payload’s uid is its own',
    control: 'bwrap started by root',
    file: 'mounts.test.ts',
  },
  {
    name: 'read_only_bind',
    test: 14,
    title: 'Change a directory that policy gives read-only: write, rename, link, replace it or its parent',
    guard: 'a read-only bind',
    control: 'the same bind, writable',
    file: 'mounts.test.ts',
  },
  {
    name: 'tools_of_the_host',
    test: 15,
    title:
      'Leave files in a shared workspace that make tools of the host run code: git’s fsmonitor and hooks, .envrc, .npmrc, package.json',
    guard: 'command line and daemon copy files and run no tool in them',
    control: 'a person who runs git status there',
    file: 'outside-left-behind.test.ts',
  },
  {
    name: 'fork_bomb',
    test: 16,
    title: 'Start processes without end, while the daemon must answer within a second',
    guard: 'the limit of processes of its control group',
    control: 'a limit above all that the attack asks for',
    file: 'greedy.test.ts',
  },
  {
    name: 'threads',
    test: 16,
    title: 'Start threads without end',
    guard: 'the limit of processes of its control group',
    control: 'a limit above all that the attack asks for',
    file: 'greedy.test.ts',
  },
  {
    name: 'memory',
    test: 16,
    title: 'Take memory without end: heap, /dev/shm',
    guard: 'the memory limit of its control group; the relay stands outside of it',
    control: 'a limit above all that the attack asks for',
    file: 'greedy.test.ts',
  },
  {
    name: 'sparse_file',
    test: 16,
    title: 'Make a file of 100 GB',
    guard: 'RLIMIT_FSIZE',
    control: 'a limit above all that the attack asks for',
    file: 'greedy.test.ts',
  },
  {
    name: 'staying_alive',
    test: 17,
    title: 'Outlive the end: double fork, own session, signals ignored, stopped processes',
    guard: 'a pid namespace that dies with its init; cgroup.kill',
    control: 'no --unshare-pid, and the first process alone killed',
    file: 'outside-processes.test.ts',
  },
  {
    name: 'words_as_options',
    test: 19,
    title: 'Be taken for an option of bwrap: names, commands, variables with leading --, newlines, NUL, bidirectional text',
    guard: 'parsed names, argument vectors, a refusal of NUL',
    control: 'a NUL let through into the list of arguments: / is bound',
    file: 'outside-words.test.ts',
  },
  {
    name: 'two_sandboxes',
    test: 23,
    title: 'Meet another principal: /tmp, /dev/shm, System V memory, abstract sockets, its proxy’s socket',
    guard: 'a mount, ipc and network namespace each; one uid each, checked by the proxy',
    control: 'both without --unshare-ipc and --unshare-net, and one /tmp',
    file: 'outside-left-behind.test.ts',
  },
  {
    name: 'names_of_the_run_directory',
    test: 'more',
    title: 'Be called like something in the run directory: .p, .sys, launcher.sock, ..',
    guard: 'parsePrincipalName',
    control: 'a good name gets its link there',
    file: 'outside-words.test.ts',
  },
  {
    name: 'linked_match',
    test: 'more',
    title: 'Plant a link under a name that a pattern of mounts matches, and swap it for a file without pause',
    guard: 'each match is opened once without following links, like any source',
    control: 'bwrap is given the path, and nobody compares what it mounts',
    file: 'mounts.test.ts',
  },
  {
    name: 'told_file',
    test: 'more',
    title: 'Replace, remove or tear the file in which the launcher tells the payload what to do, while it is told 200 times',
    guard: 'a directory of root’s, bound read-only; the file is replaced whole',
    control: 'a directory that the payload may write, bound writable',
    file: 'between.test.ts',
  },
  {
    name: 'kept_overlay',
    test: 'more',
    title: 'Meet what another principal left in an overlay that is kept, or what it took away from the directory below',
    guard: 'one upper directory for each principal’s number; names that lead nowhere else',
    control: 'the same directory given to both',
    file: 'between.test.ts',
  },
  {
    name: 'strangers_at_the_launcher',
    test: 41,
    title: 'Speak to the launcher as anybody but the daemon: nobody, a payload, a proxy, with the right group as well',
    guard: 'the directory’s group; SO_PEERCRED on each connection',
    control: 'the daemon’s own uid is answered',
    file: 'stolen-daemon.test.ts',
  },
  {
    name: 'garbage_for_the_launcher',
    test: 41,
    title: 'Send frames of 4 GiB, truncated, nested, with __proto__, of unknown types, from the daemon’s uid',
    guard: 'bounded frames, strict schemas',
    control: 'the same connection with a good frame is answered',
    file: 'stolen-daemon.test.ts',
  },
  {
    name: 'stolen_daemon',
    test: 42,
    title: 'Ask as the daemon for /, /etc, docker.sock, other principals’ trees, uid 0, capabilities, the debug profile, another’s keys',
    guard: 'the launcher’s own policy, root’s file; the bundle’s signature',
    control: '/ bound by bwrap’s own option: the host is there',
    file: 'stolen-daemon.test.ts',
  },
];

/** The names of an attack’s two tests, which the suite counts by. Throws for a name that is not in the catalogue. */
export function titlesOf(name: string): { readonly attack: string; readonly control: string } {
  const found = HOST_ATTACKS.find((attack) => attack.name === name);
  if (found === undefined) throw new Error(`"${name}" is not in integration/escape/catalogue.ts`);
  return { attack: `attack: ${name} is stopped by: ${found.guard}`, control: `control: ${name} succeeds with: ${found.control}` };
}
