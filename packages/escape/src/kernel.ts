// SPDX-License-Identifier: Apache-2.0
import type { Attack } from './attack.ts';

/** Each group of calls is asked with arguments to which an unfiltered kernel answers something else than EPERM or ENOSYS. */
function calls(name: string, title: string, python: string): Attack {
  return { name, test: 10, title, guard: 'seccomp', control: 'a filter that allows every call', python: `return attempts([${python}])` };
}

/** Attacks on the kernel itself: its knobs, its rarely walked calls, its namespaces. */
export const KERNEL_ATTACKS: readonly Attack[] = [
  {
    name: 'kernel_knobs',
    test: 1,
    title: 'Open the kernel’s knobs for writing: core_pattern, modprobe, drop_caches, sysrq-trigger, uevent_helper',
    guard: 'the payload’s uid is nobody’s on the host; /proc/sys and its kind are read-only',
    control: 'bwrap started by root, without the read-only mounts',
    python: String.raw`
knobs = ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/vm/drop_caches', '/proc/sys/kernel/hostname',
    '/proc/sysrq-trigger', '/proc/irq/default_smp_affinity', '/sys/kernel/uevent_helper', '/sys/kernel/mm/transparent_hugepage/enabled']
return attempts([(path, lambda path=path: opens_for_writing(path)) for path in knobs])
`,
  },
  {
    name: 'new_user_namespace_by_unshare',
    test: 7,
    title: 'Become root of a new user namespace by unshare',
    guard: 'seccomp; --disable-userns',
    control: 'a filter that allows every call and no --disable-userns',
    python: 'return in_child(lambda: call("unshare", NEWUSER))',
  },
  {
    name: 'new_user_namespace_by_clone',
    test: 7,
    title: 'Become root of a new user namespace by clone, also with high bits in its flags',
    guard: 'seccomp; --disable-userns',
    control: 'a filter that allows every call and no --disable-userns',
    python: String.raw`
def clone(flags):
    child = call('clone', flags, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)
return attempts([(hex(flags), lambda flags=flags: clone(flags)) for flags in (NEWUSER | CHILD, 7 << 32 | NEWUSER | CHILD)])
`,
  },
  {
    name: 'new_user_namespace_by_clone3',
    test: 7,
    title: 'Become root of a new user namespace by clone3, whose flags no filter can read',
    guard: 'seccomp answers ENOSYS to clone3; --disable-userns',
    control: 'a filter that allows every call and no --disable-userns',
    python: String.raw`
def clone():
    child = call('clone3', struct.pack('8Q', NEWUSER, 0, 0, 0, CHILD, 0, 0, 0), 64)
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)
return in_child(clone)
`,
  },
  {
    name: 'mounts',
    test: 7,
    title: 'Mount, unmount, bind, pivot_root, by the old calls and by fsopen, open_tree, move_mount',
    guard: 'seccomp; no capability; no new user namespace',
    control: 'a filter that allows every call and no --disable-userns: as root of a new user namespace',
    python: String.raw`
def inside(task):
    def run():
        new_user_namespace(NEWNS)
        return task()
    return run
return attempts([
    ('mount tmpfs', inside(lambda: call('mount', b'x', b'/tmp', b'tmpfs', 0, 0))),
    ('bind /usr', inside(lambda: call('mount', b'/usr', b'/tmp', b'', 0x1000, 0))),
    ('umount /tmp', inside(lambda: call('umount2', b'/tmp', 2))),
    ('pivot_root', inside(lambda: (os.chdir('/tmp'), call('pivot_root', b'.', b'.')))),
    ('open_tree', inside(lambda: call('open_tree', -100, b'/', 1))),
    ('fsopen', inside(lambda: call('fsopen', b'tmpfs', 0))),
])
`,
  },
  {
    name: 'join_namespaces',
    test: 7,
    title: 'Join a namespace by setns, of any descriptor in /proc/*/ns',
    guard: 'seccomp; no capability; no new user namespace',
    control: 'a filter that allows every call and no --disable-userns: as root of a new user namespace',
    python: String.raw`
def join(path):
    new_user_namespace(NEWUTS | NEWNET)
    return call('setns', os.open(path, os.O_RDONLY), 0)
return attempts([(path, lambda path=path: join(path)) for who in ('self', '1') for path in ['/proc/%s/ns/%s' % (who, kind) for kind in ('uts', 'net', 'mnt', 'user', 'pid', 'ipc')]])
`,
  },
  calls(
    'io_uring',
    'Set up io_uring, whose calls seccomp does not see',
    `('io_uring_setup', lambda: reaches_kernel('io_uring_setup', 0, 0))`,
  ),
  calls('kernel_programs', 'Load a program into the kernel by bpf', `('bpf', lambda: reaches_kernel('bpf', -1, 0, 0))`),
  calls(
    'tracing_events',
    'Trace the machine by perf_event_open',
    `('perf_event_open', lambda: reaches_kernel('perf_event_open', 1, 0, 0, 0, 0))`,
  ),
  calls('page_faults', 'Hold the kernel in page faults by userfaultfd', `('userfaultfd', lambda: reaches_kernel('userfaultfd', 1))`),
  calls(
    'keyrings',
    'Use kernel keyrings, which no namespace divides',
    `('keyctl', lambda: reaches_kernel('keyctl', 0, -3, 0)), ('add_key', lambda: reaches_kernel('add_key', 1, 1, 1, 1, -3)), ('request_key', lambda: reaches_kernel('request_key', 1, 1, 1, 0))`,
  ),
  calls(
    'files_by_handle',
    'Open files by handle, around every mount (the "shocker")',
    `('open_by_handle_at', lambda: reaches_kernel('open_by_handle_at', -1, 1, 0)), ('name_to_handle_at', lambda: reaches_kernel('name_to_handle_at', -100, b'/workspace', bytes(4096), bytes(8), 0))`,
  ),
  {
    name: 'kernel_code',
    test: 10,
    title: 'Load a module or another kernel, reboot, read the kernel’s log',
    guard: 'seccomp; no capability',
    control:
      'bwrap started by root without user namespace and filter, with its capabilities; where this kernel has no such call, a filter that answers ENODATA to it',
    // Root reaches the kernel with these in the control, on a real machine. Each is made so that it can do nothing: no address, no
    // descriptor, no magic number, flags that no kernel knows (kexec_load of nothing would unload what is loaded).
    python: String.raw`
return attempts([(name, lambda name=name, words=words: reaches_kernel(name, *words)) for name, words in [
    ('init_module', (1, 0, 1)), ('finit_module', (-1, 1, 0)), ('delete_module', (1, 0)), ('kexec_load', (0, 17, 0, 0x8000)), ('kexec_file_load', (-1, -1, 0, 0, 0x8000)),
    ('reboot', (0, 0, 0, 0)), ('syslog', (10, 0, 0))]])
`,
  },
];
