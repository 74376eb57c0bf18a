// SPDX-License-Identifier: Apache-2.0
import type { Attack } from './attack.ts';

/** Attacks on what lies in the file system. */
export const FILE_ATTACKS: readonly Attack[] = [
  {
    name: 'stray_descriptors',
    test: 5,
    title: 'Find a descriptor that should not be there; walk out by the working directory (CVE-2024-21626)',
    guard: 'the starter gives bwrap what its plan names, closes everything else',
    control: 'an open file of the host is left to bwrap',
    python: String.raw`
extra = []
for name in os.listdir('/proc/self/fd'):
    try:
        target = os.readlink('/proc/self/fd/' + name)
    except OSError:
        continue
    if int(name) > 2 and int(name) != RESULT:
        extra.append(name + ' ' + target)
top = os.stat('/proc/self/cwd/../../../../../..')
if (top.st_dev, top.st_ino) != (os.stat('/').st_dev, os.stat('/').st_ino):
    extra.append('cwd leads out')
if extra:
    return ', '.join(extra)
raise Refused('0, 1, 2')
`,
  },
  {
    name: 'host_programs',
    test: 6,
    title: 'Open running programs of the host for writing: bwrap, the interpreter, by /proc/*/exe and by a second way (CVE-2019-5736)',
    guard: 'the payload’s uid; /usr is read-only',
    control: 'bwrap started by root, /usr writable',
    python: String.raw`
def again(path):
    handle = os.open(path, os.O_PATH)
    return opens_for_writing('/proc/self/fd/%d' % handle)
paths = ['/proc/self/exe', '/proc/1/exe', '/usr/bin/bwrap', '/usr/bin/env', '/bin/sh']
return attempts([(path, lambda path=path: opens_for_writing(path)) for path in paths] + [(path + ' again', lambda path=path: again(path)) for path in paths])
`,
  },
  {
    name: 'host_paths',
    test: 13,
    title: 'See anything of the host that is not meant for it: secrets, state, sockets, other principals, homes',
    guard: 'a mount namespace in which they are not',
    control: 'one of the places bound at its own path',
    python: String.raw`
tricks = ['', '/proc/1/root', '/proc/self/root/..', '/proc/self/cwd/../../../..', '/oldroot', '/newroot/..']
return attempts([(trick + path, lambda path=trick + path: os.stat(path)) for path in FACTS['hostPaths'] for trick in tricks])
`,
  },
  {
    name: 'device_nodes',
    test: 13,
    title: 'Make a device node: memory, disk, kernel log',
    guard: 'seccomp; no capability; a user namespace',
    control: 'bwrap started by root without user namespace and filter, with its capabilities',
    python: String.raw`
def make(directory, device):
    path = directory + '/node-%d' % os.getpid()
    os.mknod(path, 0o20600, os.makedev(*device))
    os.unlink(path)
    return 'made'
return attempts([('%s %s' % (directory, device), lambda directory=directory, device=device: make(directory, device))
    for directory in ('/tmp', '/workspace', '/dev/shm') for device in ((1, 1), (1, 11), (8, 0))])
`,
  },
  {
    name: 'set_user_id',
    test: 13,
    needsPlanted: true,
    title: 'Run a set-user-id program of root’s that lies in the workspace',
    guard: 'no new privileges; nosuid; root is not mapped',
    control: 'the same program, started on the host by the same uid',
    python: String.raw`
said = subprocess.run([FACTS['setUserId'], '-u'], capture_output=True, text=True, check=True).stdout.strip()
if said == '0' or os.getuid() == 0:
    return 'uid 0'
raise Refused('uid ' + said)
`,
  },
  {
    name: 'file_capabilities',
    test: 13,
    needsPlanted: true,
    title: 'Run a program with file capabilities that lies in the workspace',
    guard: 'no new privileges; nosuid; a user namespace',
    control: 'the same program, started on the host by the same uid',
    python: String.raw`
said = subprocess.run([FACTS['fileCapabilities'], '/proc/self/status'], capture_output=True, text=True, check=True).stdout
effective = [line.split()[1] for line in said.split('\n') if line.startswith('CapEff')]
if effective != ['0000000000000000']:
    return effective[0]
raise Refused('no capability')
`,
  },
  {
    name: 'read_only_places',
    test: 14,
    title: 'Change what is read-only: write, rename, link or replace files and their parents',
    guard: 'read-only mounts; / is remounted read-only; mount points cannot be renamed',
    control: '/ not remounted read-only',
    python: String.raw`
def create(directory):
    path = directory + '/made-by-escape'
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)
    return 'made'
tries = [('create in ' + place, lambda place=place: create(place)) for place in ('/', '/etc', '/usr', '/usr/bin', '/dev', '/run', '/run/bureau', '/home')]
tries += [('rename ' + place, lambda place=place: os.rename(place, place + '-away')) for place in ('/workspace', '/run/bureau', '/etc', '/proxy.sock', '/home/agent')]
tries += [('link /etc/passwd', lambda: os.link('/etc/passwd', '/workspace/passwd')), ('remove /proxy.sock', lambda: os.unlink('/proxy.sock'))]
bound = FACTS['readOnlyBind']
if bound:
    tries += [('create in ' + bound, lambda: create(bound)), ('rename ' + bound, lambda: os.rename(bound, bound + '-away')),
        ('rename kept', lambda: os.rename(bound + '/kept', bound + '/gone')), ('link kept', lambda: os.link(bound + '/kept', '/workspace/kept')),
        ('write kept', lambda: opens_for_writing(bound + '/kept'))]
return attempts(tries)
`,
  },
  {
    name: 'told_by_proc',
    test: 21,
    title: 'Read what /proc and /sys tell of the host: command line, keys, timers, symbols, firmware, log',
    guard: 'these files are covered by empty ones; there is no /sys; seccomp',
    control: 'the cover of /proc/cmdline away',
    python: String.raw`
def read(path):
    text = read_text(path)
    if text == '':
        raise Refused('empty')
    return text
paths = ['/proc/cmdline', '/proc/keys', '/proc/key-users', '/proc/timer_list', '/proc/kallsyms', '/proc/kcore', '/proc/kmsg', '/proc/iomem', '/proc/slabinfo',
    '/proc/sched_debug', '/sys/firmware/acpi/tables', '/sys/class/dmi/id/product_uuid', '/sys/kernel/debug']
return attempts([(path, lambda path=path: read(path)) for path in paths if os.path.exists(path)] + [('dmesg', lambda: reaches_kernel('syslog', 3, bytes(4096), 4096))])
`,
  },
  {
    name: 'told_by_mounts',
    test: 21,
    title: 'Read paths of the host in the table of mounts that are not its own',
    guard: 'nothing of others is bound',
    control: 'a directory of another principal is bound',
    python: String.raw`
text = ''.join(read_text('/proc/self/' + name) for name in ('mountinfo', 'mounts', 'mountstats'))
found = [marker for marker in FACTS['markers'] if marker in text]
if found:
    return ', '.join(found)
raise Refused('%d lines, none of a stranger' % text.count('\n'))
`,
  },
  {
    name: 'control_groups',
    test: 22,
    title: 'Write into control groups: release_agent, notify_on_release, cgroup.procs (CVE-2022-0492)',
    guard: 'no control group is mounted, and none can be; the payload’s uid',
    control: 'bwrap started by root, /sys/fs/cgroup bound',
    python: String.raw`
places = ['/sys/fs/cgroup'] + [os.path.join(top, name) for top, names, _ in os.walk('/sys/fs/cgroup') for name in names if top.count('/') < 4]
tries = [(path + '/' + file, lambda path=path, file=file: opens_for_writing(path + '/' + file)) for path in places for file in ('release_agent', 'notify_on_release', 'cgroup.procs')
    if os.path.exists(path + '/' + file)]
def mounted(kind):
    new_user_namespace(NEWNS | 0x2000000)
    return call('mount', b'x', b'/tmp', kind, 0, b'memory' if kind == b'cgroup' else 0)
return attempts(tries + [('mount ' + kind.decode(), lambda kind=kind: mounted(kind)) for kind in (b'cgroup', b'cgroup2')])
`,
  },
];
