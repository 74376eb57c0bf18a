// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { all, filterAnswering, inserted, replaced, without, type WallChange } from '@bureau/testkit/wall';
import type { Traps } from './traps.ts';

/** How to take a guard away; what it opens for that is closed by `after`. */
export interface Control {
  readonly change: WallChange;
  readonly spec?: { readonly directory: string };
  readonly after?: () => void;
}

const NO_FILTER: Control = { change: { seccomp: null } };
const NO_USER_NAMESPACE_GUARDS: Control = { change: { seccomp: null, options: without('--disable-userns') } };
const HOST_NETWORK: Control = { change: { options: without('--unshare-net') } };
/** Root may not enter the workspace of another uid: it has no capability there. */
const ELSEWHERE = { directory: '/tmp' };

const ENODATA = 61;
const KERNEL_CODE = ['init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot', 'syslog'];

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

/** What is taken away in the control of each attack, as its description says. */
export function controlOf(name: string, traps: Traps): Control | undefined {
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
    case 'new_user_namespace_by_unshare':
    case 'new_user_namespace_by_clone':
    case 'new_user_namespace_by_clone3':
    case 'mounts':
    case 'join_namespaces':
      return NO_USER_NAMESPACE_GUARDS;
    case 'io_uring':
    case 'kernel_programs':
    case 'tracing_events':
    case 'page_faults':
    case 'keyrings':
    case 'files_by_handle':
    case 'type_into_terminals':
    case 'socket_families':
    case 'unfiltered':
    case 'tracing':
      return NO_FILTER;
    case 'kernel_code':
      return { change: { seccomp: filterAnswering(KERNEL_CODE, ENODATA) } };
    case 'terminals_of_others':
      return { change: { options: replaced(['--dev', '/dev'], ['--dev', '/dev', '--dev-bind', '/dev/pts', '/dev/pts']) } };
    case 'terminal_master':
      return leaking('/dev/ptmx');
    case 'host_network':
    case 'interfaces':
    case 'abstract_sockets':
    case 'name_service':
      return HOST_NETWORK;
    case 'stray_descriptors':
      return leaking('/etc/passwd');
    case 'host_programs':
      return { change: { asRoot: true, options: replaced(['--ro-bind', '/usr', '/usr'], ['--bind', '/usr', '/usr']) }, spec: ELSEWHERE };
    case 'host_paths':
    case 'told_by_mounts':
      return { change: { options: inserted(['--ro-bind', traps.other, traps.other], '--remount-ro', '/') } };
    case 'device_nodes':
      return { change: { asRoot: true, seccomp: null, options: ROOT_ALL }, spec: ELSEWHERE };
    case 'read_only_places':
      return { change: { options: without('--remount-ro', '/') } };
    case 'told_by_proc':
      return { change: { options: (options) => withoutCover(options, '/proc/cmdline') } };
    case 'control_groups':
      return {
        change: { asRoot: true, options: inserted(['--bind', '/sys/fs/cgroup', '/sys/fs/cgroup'], '--remount-ro', '/') },
        spec: ELSEWHERE,
      };
    case 'capabilities':
      return { change: { options: replaced(['--cap-drop', 'ALL'], ['--cap-add', 'ALL']) } };
    case 'host_processes':
      return {
        change: {
          options: all(
            without('--unshare-pid'),
            without('--proc', '/proc'),
            inserted(['--ro-bind', '/proc', '/proc'], '--ro-bind', '/proc/sys'),
          ),
        },
      };
    case 'init_memory':
      return { change: { environment: { ELSEWHERE: traps.other } } };
    case 'arguments_of_init':
      return { change: { argumentsOnCommandLine: true } };
    case 'inherited_environment':
      return { change: { environment: { ESCAPE_SECRET: 'x' }, options: without('--clearenv') } };
    default:
      return undefined;
  }
}

function withoutCover(options: readonly string[], path: string): string[] {
  const at = options.findIndex((_, index) => options[index] === '--ro-bind' && options[index + 2] === path);
  assert.ok(at >= 0, `${path} is covered`);
  return options.toSpliced(at, 3);
}
