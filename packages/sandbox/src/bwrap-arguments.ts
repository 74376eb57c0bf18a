// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import type { Mount, SandboxSpec } from '@bureau/protocol';
import type { HostFacts } from './host-facts.ts';
import {
  AGENT_DIRECTORY,
  BRIDGE_PROGRAM,
  DEFAULT_PATH,
  GENERATED_ETC,
  HOME,
  HOST_ETC,
  PROXY_LINK,
  PROXY_SOCKET,
  SCRATCH,
  USER,
  WORKSPACE,
} from './layout.ts';
import { judgeDestinations } from './mount-destinations.ts';

/** Everything that decides how bubblewrap is called. All paths are the host's, absolute, and already judged by policy. */
export interface SandboxPlan {
  readonly spec: SandboxSpec;
  readonly principal: PrincipalName;
  /** Of relay, bwrap and payload alike; never 0. */
  readonly uid: number;
  readonly gid: number;
  /** `.p/<n>/agent`: what the payload sees at `/run/bureau`. */
  readonly agentDirectory: string;
  /** bureau-bridge of this build. */
  readonly bridgeProgram: string;
  /** Owned by `uid`: what the payload sees at `/workspace`. */
  readonly workspaceDirectory: string;
  /** Written by `writeRootFiles`; owned by root. */
  readonly rootFilesDirectory: string;
  readonly hostname: string;
  readonly host: HostFacts;
}

/** `options` go to bwrap NUL-separated through `--args`; `command` stands behind `--` on its command line. */
export interface BwrapArguments {
  readonly options: string[];
  readonly command: string[];
}

/** Runs its arguments as a command: 127 when there is none of that name, 126 when it cannot run, as a shell says. */
const EXEC = 'case $1 in -*) printf \'%s: not found\\n\' "$1" >&2; exit 127;; esac; exec "$@"';

/**
 * The sandbox of a principal as arguments for bubblewrap 0.8.0, started by `uid` itself (a root-started bwrap leaves the payload at
 * host uid 0). Pure. The caller adds `--seccomp`, `--json-status-fd` and `--block-fd`, starts bwrap with an **empty environment**
 * (it stays readable in `/proc/1/environ` inside) and with no descriptor but those.
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
    ...devices(),
    ...scratch(spec.scratchSize),
    ...configuration(plan),
    ...['--ro-bind', plan.agentDirectory, AGENT_DIRECTORY, '--symlink', PROXY_SOCKET, PROXY_LINK],
    ...['--ro-bind-try', plan.bridgeProgram, BRIDGE_PROGRAM],
    ...spec.mounts.flatMap(specMount),
    ...['--bind', plan.workspaceDirectory, WORKSPACE],
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...environment(plan),
    ...['--chdir', spec.directory],
  ];
  const command = ['/bin/sh', '-c', EXEC, 'sh', ...spec.command];
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
  const root = host.rootEntries.flatMap(({ path, linkTo }) => (linkTo === null ? ['--ro-bind', path, path] : ['--symlink', linkTo, path]));
  return ['--ro-bind', '/usr', '/usr', ...root];
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

function devices(): string[] {
  return ['--dev', '/dev'];
}

function scratch(bytes: number): string[] {
  return SCRATCH.flatMap(({ path, mode }) => ['--perms', mode, '--size', String(bytes), '--tmpfs', path]);
}

function configuration({ rootFilesDirectory }: SandboxPlan): string[] {
  return [
    ...GENERATED_ETC.flatMap((name) => ['--ro-bind', `${rootFilesDirectory}/${name}`, `/etc/${name}`]),
    ...HOST_ETC.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...['--symlink', '/proc/self/mounts', '/etc/mtab', '--symlink', '../usr/lib/os-release', '/etc/os-release'],
  ];
}

function specMount(mount: Mount): string[] {
  if (mount.type === 'tmpfs') return ['--perms', '0755', '--size', String(mount.size), '--tmpfs', mount.destination];
  const option = `--${mount.mode === 'rw' ? '' : 'ro-'}bind${mount.optional ? '-try' : ''}`;
  return [option, mount.source, mount.destination];
}

/** The spec may set anything but what Bureau says about itself. */
function environment({ spec, principal }: SandboxPlan): string[] {
  for (const name of Object.keys(spec.environment)) {
    const field = `environment.${name}`;
    if (name.startsWith('BUREAU_')) {
      throw new BureauError('environment_refused', `Cannot set ${name}: names that start with "BUREAU_" are set by Bureau`, {
        data: { field },
      });
    }
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new BureauError('environment_refused', 'Cannot set a variable of that name: expected letters, digits and "_"', {
        data: { field: 'environment' },
      });
    }
  }
  const variables = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['HOME', HOME],
    ['USER', USER],
    ['LOGNAME', USER],
    ['SHELL', '/bin/sh'],
    ['LANG', 'C.UTF-8'],
    ...(spec.terminal ? [['TERM', 'xterm-256color'] as const] : []),
    ...Object.entries(spec.environment),
    ['BUREAU_PRINCIPAL', principal],
    ['BUREAU_PROXY_SOCKET', PROXY_SOCKET],
  ]);
  return ['--clearenv', ...[...variables].flatMap(([name, value]) => ['--setenv', name, value])];
}

/** A NUL would end one argument of `--args` and begin another, which an attacker could then choose. */
function refuseNul(field: string, values: readonly string[]): void {
  const at = values.findIndex((value) => value.includes('\0'));
  if (at >= 0)
    throw new BureauError('argument_refused', `Cannot start the sandbox: its ${field} hold a NUL character`, { data: { field, at } });
}
