// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import { MOUNT_SOURCE_FD, type SandboxSpec } from '@bureau/protocol';
import { sandboxEnvironment } from './environment.ts';
import type { HostFacts } from './host-facts.ts';
import {
  AGENT_DIRECTORY,
  EXEC_PROGRAM,
  HOST_ETC_MOUNT,
  PROXY_LINK,
  PROXY_SOCKET,
  SCRATCH,
  SCRATCH_DIRECTORY,
  TOOLS_DIRECTORY,
  WORKSPACE,
} from './layout.ts';
import { judgeDestinations } from './mount-destinations.ts';
import type { PlannedMount } from './mount-plan.ts';

/** Everything that decides how bubblewrap is called. All paths are the host's, absolute, and already judged by policy. */
export interface SandboxPlan {
  readonly spec: SandboxSpec;
  /** What `planMounts` made of the spec. */
  readonly mounts: readonly PlannedMount[];
  readonly principal: PrincipalName;
  /** Of relay, bwrap and payload alike; never 0. */
  readonly uid: number;
  readonly gid: number;
  /** `.p/<n>/agent`: what the payload sees at `/run/bureau`. */
  readonly agentDirectory: string;
  /** The programs of this build that every sandbox has (`apps/c-programs`), and nothing else. */
  readonly toolsDirectory: string;
  /** Owned by `uid`: what the payload sees at `/workspace`. */
  readonly workspaceDirectory: string;
  /** Owned by `uid`: what the payload sees at `/scratch` when its spec wants it on disk. */
  readonly scratchDirectory?: string;
  /** Written by `writeRootFiles`; owned by root. Holds `etc` and `empty`. */
  readonly rootFilesDirectory: string;
  /** Made by `HostEtc`; owned by root. */
  readonly hostEtcDirectory: string;
  readonly hostname: string;
  readonly host: HostFacts;
}

/** `options` go to bwrap NUL-separated through `--args`; `command`, bureau-exec before the spec's, stands behind `--` on its command line. */
export interface BwrapArguments {
  readonly options: string[];
  readonly command: string[];
}

/**
 * The sandbox of a principal as arguments for bubblewrap 0.8.0, started by `uid` itself (a root-started bwrap leaves the payload at
 * host uid 0). Pure. The caller adds `--seccomp`, `--json-status-fd` and `--block-fd`, passes the mount sources from `MOUNT_SOURCE_FD` on, starts
 * bwrap with an **empty environment** (it stays readable in `/proc/1/environ` inside) and with no descriptor but those.
 * Throws `mount_refused`, `environment_refused`, `hostname_refused`, `uid_refused` or `argument_refused`, with `data.field`.
 */
export function bwrapOptions(plan: SandboxPlan): BwrapArguments {
  const { spec, uid, gid } = plan;
  for (const [field, id] of [
    ['uid', uid],
    ['gid', gid],
  ] as const) {
    if (!Number.isInteger(id) || id <= 0) {
      throw new BureauError('uid_refused', `Cannot start a sandbox with ${field} ${id}: expected the principal's own, never 0`, {
        data: { field },
      });
    }
  }
  if (!/^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/.test(plan.hostname)) {
    throw new BureauError('hostname_refused', 'Cannot use the host name of this sandbox: expected 1 to 64 of a-z, 0-9 and inner "-"', {
      data: { field: 'hostname' },
    });
  }
  judgeDestinations(spec.mounts);
  const options = [
    ...namespaces(plan),
    ...systemFiles(plan),
    ...processFiles(plan),
    ...['--dev', '/dev'],
    ...memory(spec.scratchSize, spec.scratch === 'memory'),
    ...['--ro-bind', `${plan.rootFilesDirectory}/etc`, '/etc', '--ro-bind', plan.hostEtcDirectory, HOST_ETC_MOUNT],
    ...['--ro-bind', plan.agentDirectory, AGENT_DIRECTORY, '--symlink', PROXY_SOCKET, PROXY_LINK],
    // One mount for all: each makes bwrap read the whole table of mounts again.
    ...['--ro-bind', plan.toolsDirectory, TOOLS_DIRECTORY],
    ...plan.mounts.flatMap(mountOptions),
    ...['--bind', plan.workspaceDirectory, WORKSPACE],
    ...(plan.scratchDirectory === undefined ? [] : ['--bind', plan.scratchDirectory, SCRATCH_DIRECTORY]),
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...['--clearenv', ...sandboxEnvironment(plan).flatMap(({ name, value }) => ['--setenv', name, value])],
    ...['--chdir', '/'],
  ];
  const command = [EXEC_PROGRAM, ...(spec.terminal ? ['--terminal'] : []), spec.directory, ...spec.command];
  refuseNul('options', options);
  refuseNul('command', command);
  return { options, command };
}

/** No `--new-session`: it would take job control from the payload; its own PTY and seccomp stop terminal injection. */
function namespaces({ uid, gid, hostname }: SandboxPlan): string[] {
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup', '--disable-userns'],
    ...['--uid', String(uid), '--gid', String(gid), '--cap-drop', 'ALL', '--die-with-parent', '--hostname', hostname],
  ];
}

function systemFiles({ host }: SandboxPlan): string[] {
  return host.rootEntries.flatMap(({ path, source, linkTo }) =>
    linkTo === null ? ['--ro-bind', source, path] : ['--symlink', linkTo, path],
  );
}

/** The host's `/proc/sys` over the new one: bwrap can only bind what it finds outside; namespaced values follow the reader. */
function processFiles({ host, rootFilesDirectory }: SandboxPlan): string[] {
  return [
    ...['--proc', '/proc'],
    ...host.readOnlyProc.flatMap((name) => ['--ro-bind', `/proc/${name}`, `/proc/${name}`]),
    ...host.maskedProc.flatMap(({ name, directory }) =>
      directory
        ? ['--perms', '0555', '--size', '4096', '--tmpfs', `/proc/${name}`, '--remount-ro', `/proc/${name}`]
        : ['--ro-bind', `${rootFilesDirectory}/empty`, `/proc/${name}`],
    ),
  ];
}

function memory(bytes: number, scratch: boolean): string[] {
  const places = scratch ? [...SCRATCH, { path: SCRATCH_DIRECTORY, mode: '0700' }] : SCRATCH;
  return places.flatMap(({ path, mode }) => ['--perms', mode, '--size', String(bytes), '--tmpfs', path]);
}

function mountOptions(mount: PlannedMount): string[] {
  switch (mount.type) {
    case 'tmpfs':
      return ['--perms', '0755', '--size', String(mount.size), '--tmpfs', mount.destination];
    case 'directory':
      return ['--dir', mount.destination];
    case 'device':
      return ['--dev-bind', mount.destination, mount.destination];
    case 'overlay':
      return ['--bind', `${mount.stage}/merged`, mount.destination];
    case 'bind':
      return [`--${mount.writable ? '' : 'ro-'}bind-fd`, String(MOUNT_SOURCE_FD + mount.source), mount.destination];
  }
}

/** A NUL would end one argument of `--args` and begin another, which an attacker could then choose. */
function refuseNul(field: string, values: readonly string[]): void {
  const at = values.findIndex((value) => value.includes('\0'));
  if (at >= 0)
    throw new BureauError('argument_refused', `Cannot start the sandbox: its ${field} hold a NUL character`, { data: { field, at } });
}
