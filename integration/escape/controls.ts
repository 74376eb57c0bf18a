// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { all, inserted, replaced, without, type WallChange, type Weakness } from '@bureau/testkit/wall';
import type { Traps } from './traps.ts';

/** How to take a guard away; what it opens for that is closed by `after`. */
export interface Control {
  readonly change: WallChange;
  readonly spec?: { readonly directory: string };
  readonly after?: () => void;
}

/** Root may not enter the workspace of another uid: it has no capability there. */
const ELSEWHERE = { directory: '/tmp' };

/** bwrap started by root, in the host's user namespace and with its capabilities: what a payload would be without the first guards. */
const ROOT_ALL = (options: string[]): string[] => {
  const at = options.indexOf('--uid');
  assert.deepEqual(options.slice(at + 2, at + 3), ['--gid']);
  return all(
    (before) => before.toSpliced(at, 4),
    without('--unshare-user'),
    without('--disable-userns'),
    replaced(['--cap-drop', 'ALL'], ['--cap-add', 'ALL']),
  )(options);
};

/** What is taken away in the control of an attack that the launcher starts. Throws for any other. */
export function weaknessOf(name: string, traps: Traps): Weakness {
  switch (name) {
    case 'new_user_namespace_by_unshare':
    case 'new_user_namespace_by_clone':
    case 'new_user_namespace_by_clone3':
    case 'mounts':
    case 'join_namespaces':
      return { filter: 'allows-everything', options: [{ take: ['--disable-userns'], by: [] }] };
    case 'io_uring':
    case 'kernel_programs':
    case 'tracing_events':
    case 'page_faults':
    case 'keyrings':
    case 'files_by_handle':
    case 'type_into_terminals':
    case 'socket_families':
    case 'tracing':
      return { filter: 'allows-everything' };
    case 'terminals_of_others':
      return { options: [{ take: ['--dev', '/dev'], by: ['--dev', '/dev', '--dev-bind', '/dev/pts', '/dev/pts'] }] };
    case 'host_paths':
    case 'told_by_mounts':
      return { options: [{ before: ['--remount-ro', '/'], put: ['--ro-bind', traps.other, traps.other] }] };
    case 'read_only_places':
      return { options: [{ take: ['--remount-ro', '/'], by: [] }] };
    case 'told_by_proc':
      return { options: [{ take: ['--ro-bind', null, '/proc/cmdline'], by: [] }] };
    case 'capabilities':
      return { options: [{ take: ['--cap-drop', 'ALL'], by: ['--cap-add', 'ALL'] }] };
    case 'host_processes':
      return {
        options: [
          { take: ['--unshare-pid'], by: [] },
          { take: ['--proc', '/proc'], by: ['--ro-bind', '/proc', '/proc'] },
        ],
      };
    default:
      throw new Error(`No weakness of the launcher is known for "${name}" (integration/escape/control-starts.ts says who starts it)`);
  }
}

/** What is taken away in the control of an attack that the launcher cannot start. Throws for any other. */
export function controlOf(name: string, traps: Traps): Control {
  const leaking = (path: string): Control => {
    const descriptor = openSync(path, 'r+');
    return { change: { leak: [descriptor] }, after: () => closeSync(descriptor) };
  };
  switch (name) {
    case 'kernel_knobs':
      return {
        change: {
          asRoot: true,
          options: all(without('--ro-bind', '/proc/sys', '/proc/sys'), without('--ro-bind', '/proc/irq', '/proc/irq')),
        },
        spec: ELSEWHERE,
      };
    case 'host_network':
    case 'interfaces':
    case 'abstract_sockets':
    case 'name_service':
      return { change: { options: without('--unshare-net') } };
    case 'unfiltered':
      return { change: { seccomp: null } };
    case 'terminal_master':
      return leaking('/dev/ptmx');
    case 'stray_descriptors':
      return leaking('/etc/passwd');
    case 'host_programs':
      return { change: { asRoot: true, options: replaced(['--ro-bind', '/usr', '/usr'], ['--bind', '/usr', '/usr']) }, spec: ELSEWHERE };
    case 'device_nodes':
    case 'kernel_code':
      return { change: { asRoot: true, seccomp: null, options: ROOT_ALL }, spec: ELSEWHERE };
    case 'control_groups':
      return {
        change: { asRoot: true, options: inserted(['--bind', '/sys/fs/cgroup', '/sys/fs/cgroup'], '--remount-ro', '/') },
        spec: ELSEWHERE,
      };
    case 'init_memory':
      return { change: { environment: { ELSEWHERE: traps.other } } };
    case 'arguments_of_init':
      return { change: { argumentsOnCommandLine: true } };
    case 'inherited_environment':
      return { change: { environment: { ESCAPE_SECRET: 'x' }, options: without('--clearenv') } };
    default:
      throw new Error(`No control of the fixture is known for "${name}" (integration/escape/control-starts.ts says who starts it)`);
  }
}
